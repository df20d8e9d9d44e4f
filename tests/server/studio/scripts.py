"""Call functions of the page's modules from a test."""

MODULE = "document.querySelector('script[type=module]').src"


def call(page, module, function, *arguments):
    """Return what an exported function of a module of the page returns, awaited."""
    script = f"async ([name, function_, given]) => (await import(new URL(name, {MODULE})))[function_](...given)"
    return page.evaluate(script, [f"./{module}.js", function, list(arguments)])


def explain(page, problem, recording=None):
    """Return what the page says of a problem of the server."""
    script = f"""async ([problem, recording]) => {{
        const {{ explain }} = await import(new URL("./page/problems.js", {MODULE}));
        const {{ Problem }} = await import(new URL("./page/api.js", {MODULE}));
        return explain(new Problem(problem), {{ recording }});
    }}"""
    return page.evaluate(script, [problem, recording])
