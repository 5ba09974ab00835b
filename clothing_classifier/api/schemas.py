"""What the API answers (pydantic models) and what it accepts (OpenAPI request bodies)"""

from pydantic import BaseModel, ConfigDict

from ..predict import Prediction
from ..serving.batch import as_row


def _with_example(**example): return ConfigDict(json_schema_extra=dict(example=example))


class Answer(BaseModel):
    "The answer for one picture"
    file: str
    answer: str|None
    category: str|None
    probability: float
    known: bool
    probabilities: dict[str, float]
    error: str|None

    @classmethod
    def of(cls,
        file:str, # name of the file, or the link
        prediction:Prediction
    )->'Answer':
        "The answer that a prediction means, in the digits of the command"
        row = as_row(file, prediction)
        return cls(**row | {key: row[key] or None for key in ('answer', 'category', 'error')})


_jeans = dict(file='photo.jpg', answer='jeans', category='jeans', probability=.998, known=True,
    probabilities=dict(jeans=.998, socks=.002), error=None)


class Answers(BaseModel):
    "The answer for every picture, in the order they were sent"
    model_config = _with_example(results=[_jeans])
    results: list[Answer]


class Categories(BaseModel):
    "The possible answers; `unknown` means probably none of the categories"
    model_config = _with_example(categories=['jeans', 'socks'], unknown='unknown')
    categories: list[str]
    unknown: str = 'unknown'


class ModelCard(BaseModel):
    "The metadata and the hash of the network file, and the model card as Markdown if there is one"
    model_config = ConfigDict(extra='allow')
    file: str
    bytes: int
    sha256: str
    labels: list[str]
    temperature: float
    thresholds: dict
    preprocessing: dict
    card: str|None = None


class KeptPicture(BaseModel):
    "A picture that was kept for the next training"
    model_config = _with_example(id='da39a3ee5e6b4b0d3255bfef95601890afd80709', category='socks')
    id: str
    category: str


class Health(BaseModel):
    "The state of the server"
    model_config = _with_example(status='ready')
    status: str


_binary = dict(type='string', format='binary')
_files = dict(type='array', items=_binary, minItems=1)
_text = dict(type='string')


def _object(required, **properties):
    return dict(type='object', properties=properties, required=required)


def _request_body(**content):
    return dict(requestBody=dict(required=True, content=content))


_link = _object(['url'], url=dict(type='string', format='uri')) | dict(additionalProperties=False)

predict_body = _request_body(**{
    'multipart/form-data': dict(schema=_object(['files'], files=_files)),
    'image/*': dict(schema=_binary),
    'application/octet-stream': dict(schema=_binary),
    'application/json': dict(schema=_link, example=dict(url='https://shop.example/jeans.jpg')),
})

_correction = _object(['file', 'category'], file=_binary, category=_text, answer=_text)

feedback_body = _request_body(**{'multipart/form-data': dict(schema=_correction)})
