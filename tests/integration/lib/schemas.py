"""Documents held against the JSON Schemas of conf/schemas/: by rules of our own, which take no member that is not described,
and by python3-jsonschema.

    schemas.check(document, "top-1")
"""
import json
import re
import subprocess
import tempfile

from . import service

PYTHON = "/usr/bin/python3"  # Debian's, which has its own modules
FOLDER = service.SOURCE / "conf" / "schemas"
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


class Invalid(Exception):
    pass


def load(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def _is(value, kind):
    if kind in ("integer", "number"):
        return isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[kind])


def _members(value, rule, root, where):
    known = rule.get("properties", {})
    missing = [m for m in rule.get("required", []) if m not in value]
    if missing:
        raise Invalid(f"{where}: without {missing}")
    for name, member in value.items():
        inner = known.get(name, rule.get("additionalProperties", False if known else {}))
        if inner is False:
            raise Invalid(f"{where}: {name!r} is not described")
        _check(member, inner, root, f"{where}.{name}")


def _any(value, rules, root, where):
    """Members are described where all of the object is: here only what must be there counts."""
    problems = []
    for rule in rules:
        try:
            _check(value, rule, root, where)
            return 1
        except Invalid as e:
            problems.append(str(e))
    raise Invalid("; ".join(problems))


def _check(value, rule, root, where):
    if "$ref" in rule:
        rule = root["$defs"][rule["$ref"].removeprefix("#/$defs/")]
    kinds = rule.get("type", [])
    if kinds and not any(_is(value, k) for k in ([kinds] if isinstance(kinds, str) else kinds)):
        raise Invalid(f"{where}: {str(value)[:60]!r} is no {kinds}")
    if "const" in rule and value != rule["const"] or "enum" in rule and value not in rule["enum"]:
        raise Invalid(f"{where}: {str(value)[:60]!r} is not {rule.get('const', rule.get('enum'))}")
    if isinstance(value, (int, float)) and not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        raise Invalid(f"{where}: {value} is out of range")
    if isinstance(value, str):
        if len(value) < rule.get("minLength", 0) or "pattern" in rule and not re.search(rule["pattern"], value):
            raise Invalid(f"{where}: {value[:60]!r} is not as described")
    for several in ("anyOf", "oneOf"):
        if several in rule:
            _any(value, rule[several], root, where)
    if isinstance(value, list):
        if len(value) < rule.get("minItems", 0):
            raise Invalid(f"{where}: {len(value)} items")
        for i, item in enumerate(value):
            _check(item, rule.get("items", {}), root, f"{where}[{i}]")
    if isinstance(value, dict) and (rule.get("properties") or rule.get("required") or "additionalProperties" in rule):
        if "properties" in rule or "additionalProperties" in rule:
            _members(value, rule, root, where)
        else:
            missing = [m for m in rule["required"] if m not in value]
            if missing:
                raise Invalid(f"{where}: without {missing}")


def strict(document, name):
    schema = load(name)
    _check(document, schema, schema, name)


def available():
    """Can python3-jsonschema be asked?"""
    return subprocess.run([PYTHON, "-c", "import jsonschema"], capture_output=True).returncode == 0


PROGRAM = """
import json, sys
import jsonschema
schema, document = (json.load(open(f)) for f in sys.argv[1:])
kind = jsonschema.validators.validator_for(schema)
kind.check_schema(schema)
kind(schema).validate(document)
"""


def independent(document, schema):
    """By python3-jsonschema. schema: a document itself."""
    with tempfile.TemporaryDirectory(prefix="ppd-schema-") as d:
        files = []
        for name, content in (("schema", schema), ("document", document)):
            files.append(f"{d}/{name}")
            with open(files[-1], "w") as f:
                json.dump(content, f)
        done = subprocess.run([PYTHON, "-c", PROGRAM, *files], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Invalid(done.stderr[-600:])
