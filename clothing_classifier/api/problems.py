"""Errors as RFC 9457 describes them: `application/problem+json`, with a sentence that says what to do"""

from contextvars import ContextVar
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ..texts import VisitorError

request_id = ContextVar('request_id', default='') # id of the request in progress


class Problem(Exception):
    "An answer with an error status"
    def __init__(self,
        status:int, # HTTP status
        detail:str, # sentence that says what to do
        **headers # headers of the answer: `Retry_After=2`
    ):
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.headers = {name.replace('_', '-'): str(value) for name,value in headers.items()}

    def response(self)->JSONResponse:
        "The answer that a client gets"
        body = dict(type='about:blank', title=HTTPStatus(self.status).phrase, status=self.status,
            detail=self.detail, request_id=request_id.get())
        return JSONResponse(body, self.status, self.headers, media_type='application/problem+json')


class ProblemBody(BaseModel):
    "An error, as RFC 9457 describes it"
    type: str
    title: str
    status: int
    detail: str
    request_id: str


def _documented(status):
    "One error in the OpenAPI document"
    title = HTTPStatus(status).phrase
    schema = {'$ref': '#/components/schemas/ProblemBody'}
    example = dict(type='about:blank', title=title, status=status,
        detail='A sentence that says what to do.', request_id='7f1c')
    content = {'application/problem+json': dict(schema=schema, example=example)}
    response = dict(description=title, content=content)
    if status in (429, 503):
        seconds = dict(description='Seconds', schema=dict(type='integer'))
        response['headers'] = {'Retry-After': seconds}
    return response


def documented_problems(
    *statuses # HTTP statuses
)->dict: # status -> response, for `responses=` of a route
    "Errors of a call, for the OpenAPI document"
    return {status: _documented(status) for status in statuses}


_details = {
    404: "There is nothing at this address. GET /openapi.json lists all calls.",
    405: "This address does not accept this method. GET /openapi.json lists the methods of each call.",
}


def _of_http_exception(e):
    return Problem(e.status_code, _details.get(e.status_code, str(e.detail)), **(e.headers or {}))


_as_problem = {
    Problem: lambda e: e,
    VisitorError: lambda e: Problem(422, str(e)),
    ClientDisconnect: lambda e: Problem(400, "The upload was interrupted. Send it again."),
    HTTPException: _of_http_exception,
}


def _handler(as_problem):
    def handle(request, e): return as_problem(e).response()
    return handle


def add_problem_handlers(app:FastAPI):
    "Answer exceptions that routes raise with problems"
    for error, as_problem in _as_problem.items():
        app.add_exception_handler(error, _handler(as_problem))
