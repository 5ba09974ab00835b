"""The page about the model: its model card, if there is one, as HTML"""

from jinja2 import Environment, FileSystemLoader
from tornado.web import RequestHandler

from ..files import shipped
from ..settings import Settings
from ..texts import Texts, languages
from .static_files import STATIC, static_text
from .template import template_values


def card_html(
    markdown:str # model card
)->str: # HTML; what is HTML in the card is shown as text
    "A model card as HTML"
    import mistune

    class Renderer(mistune.HTMLRenderer):
        def link(self, text, url, title=None):
            "Links to files of the project lead nowhere here"
            return f'<a href="{self.safe_url(url)}">{text}</a>' if url.startswith('https://') else text

        def table(self, text):
            "A wide table scrolls, and a keyboard can scroll it"
            return f'<div class="cc-scroll" tabindex="0"><table>{text}</table></div>\n'

    return mistune.create_markdown(renderer=Renderer(), plugins=['table'])(markdown)


def model_html(
    settings:Settings, # network, title
    language:str # one of `languages`
)->str: # HTML
    "The page about the model of the settings"
    own, name = settings.serve.model, 'MODEL_CARD.md'
    card = own.with_name(name) if own.is_file() else shipped(name)
    template = Environment(loader=FileSystemLoader(STATIC), autoescape=True).get_template('model.html.j2')
    return template.render(
        page=template_values(settings),
        style=''.join(map(static_text, ('page.css', 'model.css'))),
        language=language,
        texts=Texts(language).texts,
        card=card_html(card.read_text(encoding='utf-8')) if card and card.is_file() else '')


class ModelPage(RequestHandler):
    "Reads the model card for each request, since a training may write another one"
    def initialize(self, settings, headers): self.project, self.headers = settings, headers

    def get(self):
        language = self.get_query_argument('lang', '')
        for name, value in self.headers.items(): self.set_header(name, value)
        self.finish(model_html(self.project, language if language in languages else self.project.serve.language))

    head = get
