"""A small API layer over pydantic: parts of a request are parsed by type, faults are told all at once (RFC 9457), and
the OpenAPI 3.1 document is made from the same types, so it cannot say anything else than the code does.

An operation names its parts by keyword: `path`, `query`, `body` are pydantic models (or absent). What a caller sent is
never echoed.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isclass, signature
from typing import Any, get_args, get_type_hints

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaMode

from gateway.web.routes import Access, add

Operation = Callable[..., Awaitable[object]]
PARTS = ("path", "query", "body")
PROBLEM = "application/problem+json"
TITLES = {
    400: "The request is malformed",
    401: "Sign in first",
    403: "The request was refused",
    404: "There is no such thing",
    405: "This address does not do that",
    409: "Somebody was faster, or the life cycle does not allow it",
    413: "This is too large",
    415: "Send application/json",
    422: "Some values are not valid",
    429: "Too many tries",
    500: "Something went wrong on our side",
    503: "The store is away",
}


class Fault(BaseModel):
    """One value that is not valid."""

    location: str
    pointer: str
    detail: str
    code: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[Fault] = []


@dataclass(frozen=True, slots=True)
class Route:
    """One operation and everything the document says of it."""

    method: str
    path: str
    access: Access
    handler: Operation
    models: Mapping[str, type[BaseModel]]
    answer: Any
    status: int
    errors: Sequence[int]


def _without_responses(answer: Any) -> Any:
    """The model among the answers: an operation may also return a ready response."""
    kinds = [it for it in get_args(answer) or (answer,) if not (isclass(it) and issubclass(it, web.StreamResponse))]
    return kinds[0]


def problem(status: int, detail: str = "", faults: Sequence[Fault] = ()) -> web.Response:
    """The answer for a refusal."""
    said = Problem(type=f"/problems/{status}", title=TITLES[status], status=status, detail=detail, errors=list(faults))
    return web.Response(text=said.model_dump_json(exclude_defaults=True), status=status, content_type=PROBLEM)


def _query(request: web.Request, model: type[BaseModel]) -> dict[str, object]:
    """Repeated keys are lists where the model has a list; the last one counts elsewhere."""
    lists = {name for name, field in model.model_fields.items() if "list" in str(field.annotation)}
    return {key: request.query.getall(key) if key in lists else request.query[key] for key in request.query}


def _faults(location: str, problem_: ValidationError) -> list[Fault]:
    return [
        Fault(
            location=location,
            pointer="#/" + "/".join(str(step) for step in it["loc"]),
            detail=it["msg"],
            code=it["type"],
        )
        for it in problem_.errors(include_url=False, include_context=False, include_input=False)
    ]


class Api:
    """The operations of one application."""

    def __init__(self, title: str, version: str) -> None:
        self._title = title
        self._version = version
        self._routes: list[Route] = []

    def route(
        self, method: str, path: str, *, access: Access, status: int = 200, errors: Sequence[int] = ()
    ) -> Callable[[Operation], Operation]:
        """Declare an operation. TypeError at import if its path model does not fit its path."""

        def declare(handler: Operation) -> Operation:
            hints = get_type_hints(handler)
            models = {name: hints[name] for name in PARTS if name in signature(handler).parameters}
            named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
            fields = set(models["path"].model_fields) if "path" in models else set()
            if named != fields:
                raise TypeError(f"{handler.__name__}: the path has {sorted(named)}, its model {sorted(fields)}")
            answer = _without_responses(hints["return"])
            self._routes.append(Route(method, path, access, handler, models, answer, status, errors))
            return handler

        return declare

    def add_to(self, app: web.Application) -> None:
        """Register all operations and the document."""
        for it in self._routes:
            add(app, it.access, it.method, it.path, self._served(it))

        async def document(request: web.Request) -> web.StreamResponse:
            del request
            return web.json_response(self.document())

        add(app, Access.PUBLIC, "GET", "/api/v1/openapi.json", document)

    def _served(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        adapter = TypeAdapter(route.answer)

        async def serve(request: web.Request) -> web.StreamResponse:
            raw: dict[str, object] = {}
            faults: list[Fault] = []
            for part in route.models:
                if part == "body":
                    if request.content_type != "application/json":
                        return problem(415)
                    try:
                        raw[part] = json.loads(await request.text())
                    except ValueError:
                        return problem(400, "the body is not JSON")
                else:
                    raw[part] = request.match_info if part == "path" else _query(request, route.models[part])
            parsed: dict[str, BaseModel] = {}
            for part, model in route.models.items():
                try:
                    parsed[part] = model.model_validate(raw[part] if part == "body" else dict(raw[part]))  # type: ignore[call-overload]
                except ValidationError as wrong:
                    faults += _faults(part, wrong)
            if faults:
                return problem(422, faults=faults)
            answer = await route.handler(request, **parsed)
            if isinstance(answer, web.StreamResponse):
                return answer
            return web.Response(body=adapter.dump_json(answer), status=route.status, content_type="application/json")

        return serve

    def document(self) -> dict[str, object]:
        """OpenAPI 3.1, JSON Schema 2020-12, one shared set of components."""
        inputs: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
            ("problem", "serialization", TypeAdapter(Problem))
        ]
        for number, it in enumerate(self._routes):
            inputs.append((f"answer{number}", "serialization", TypeAdapter(it.answer)))
            inputs += [(f"{part}{number}", "validation", TypeAdapter(model)) for part, model in it.models.items()]
        found, shared = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")
        components = shared.get("$defs", {})
        schemas = {key[0]: value for key, value in found.items()}
        paths: dict[str, dict[str, object]] = {}
        for number, it in enumerate(self._routes):
            paths.setdefault(it.path, {})[it.method.lower()] = _operation(it, number, schemas, components)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": self._title,
                "version": self._version,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "siaga"}},
            },
        }


def _resolved(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "")
    return components[reference.rpartition("/")[2]] if reference else schema


def _operation(
    route: Route, number: int, schemas: Mapping[str, Any], components: Mapping[str, Any]
) -> dict[str, object]:
    parameters = []
    for part in ("path", "query"):
        if part in route.models:
            model = _resolved(schemas[f"{part}{number}"], components)
            for name, schema in model["properties"].items():
                clean = {key: value for key, value in schema.items() if key != "title"}
                required = part == "path" or name in model.get("required", ())
                parameters.append({"name": name, "in": part, "required": required, "schema": clean})
    problem_content = {PROBLEM: {"schema": schemas["problem"]}}
    always = {422} if route.models else set()
    if route.access is not Access.PUBLIC:
        always |= {401, 404}
    if "body" in route.models:
        always |= {400, 415}
    if route.method != "GET":
        always |= {403}
    answers: dict[str, object] = {
        str(route.status): {
            "description": "Done",
            "content": {"application/json": {"schema": schemas[f"answer{number}"]}},
        }
    }
    for status in sorted(always | {503} | set(route.errors)):
        answers[str(status)] = {"description": TITLES[status], "content": problem_content}
    said: dict[str, object] = {
        "operationId": route.handler.__name__,
        "summary": (route.handler.__doc__ or "").strip().splitlines()[0],
        "responses": answers,
        **({"parameters": parameters} if parameters else {}),
        **({"security": [{"session": []}]} if route.access is not Access.PUBLIC else {}),
    }
    if "body" in route.models:
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[f"body{number}"]}}}
    return said
