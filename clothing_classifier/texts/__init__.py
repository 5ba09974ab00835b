"""Everything that the page says, in one place, in English and Lithuanian"""

import re
from functools import cache

languages = dict(en='English', lt='Lietuvių')


def _table(text): return {k: v for k,*v in (o.split(' | ') for o in text.strip().splitlines())} # First column -> the others


_page = _table("""
tells | Tells apart {labels}. Your pictures are looked at and forgotten. | Atskiria: {labels}. Nuotraukos peržiūrimos ir pamirštamos.
and | and | ir
loading | Getting ready … | Ruošiama …
choose | Choose photos | Pasirinkti nuotraukas
camera | Take a photo | Fotografuoti
or_drop | or drop them here, or paste with {keys} | arba nutempkite jas čia, arba įklijuokite {keys}
drop_now | Drop to classify | Paleiskite, ir atpažinsime
limits | JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF, up to {mb} MB each | JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC arba AVIF, iki {mb} MB
link | Address of a picture | Nuotraukos adresas
link_hint | https://… | https://…
go | Classify link | Atpažinti nuorodą
try | No photo at hand? Try a drawing | Neturite nuotraukos? Išbandykite piešinį
drawing | Drawing: {category} | Piešinys: {category}
sending | Sending {name} | Siunčiama: {name}
looking | Looking at {name} | Žiūrima: {name}
of | {i} of {n} | {i} iš {n}
waiting | waiting | laukia
looked_one | {n} picture looked at. | Peržiūrėta {n} nuotrauka.
looked_few |  | Peržiūrėtos {n} nuotraukos.
looked_other | {n} pictures looked at. | Peržiūrėta {n} nuotraukų.
stop | Stop | Sustabdyti
stopped | Stopped. This picture was not looked at. | Sustabdyta. Ši nuotrauka neperžiūrėta.
sure | {p} % sure | {p} % tikimybė
none | Probably none of these | Tikriausiai nieko iš šių
nearest | nearest: {category} | artimiausia: {category}
visit | This visit | Šis apsilankymas
cards | Cards | Kortelės
table | Table | Lentelė
csv | Download CSV | Atsisiųsti CSV
clear | Clear | Išvalyti
older | Older pictures are in the table. | Senesnės nuotraukos – lentelėje.
file | File | Failas
answer | Answer | Atsakymas
probability | Probability | Tikimybė
picture | Picture | Nuotrauka
why | Why? | Kodėl?
why_for | Why {category}? {name} | Kodėl {category}? {name}
why_says | Where the network looked for {category}: mostly {where}. The brighter, the more it counted. | Kur tinklas žiūrėjo („{category}“): daugiausia {where}. Kuo šviesiau, tuo svarbiau.
why_nothing | Nothing in the picture speaks for {category}. | Niekas nuotraukoje nerodo „{category}“.
centre | in the middle | viduryje
top | at the top | viršuje
bottom | at the bottom | apačioje
left | on the left | kairėje
right | on the right | dešinėje
top left | at the top left | viršuje kairėje
top right | at the top right | viršuje dešinėje
bottom left | at the bottom left | apačioje kairėje
bottom right | at the bottom right | apačioje dešinėje
heat | Heat map: {name} | Šilumos žemėlapis: {name}
wrong | Wrong? | Klaida?
wrong_for | Wrong? {name} | Klaida? {name}
right_is | What is it? | Kas tai?
choose_one | Choose … | Pasirinkite …
consent | I may share this picture. It is kept, without its metadata, to teach the model. | Galiu dalytis šia nuotrauka. Ji bus saugoma be metaduomenų ir naudojama modeliui mokyti.
send | Send | Siųsti
cancel | Cancel | Atšaukti
must_agree | Choose a category and tick the box first. | Pirmiausia pasirinkite kategoriją ir pažymėkite langelį.
thanks | Thank you. It will be a {category} in the next training. | Ačiū. Kitą kartą mokant tai bus {category}.
too_big | This file has {mb} MB; the most is {most} MB. Send a smaller copy. | Šio failo dydis {mb} MB; daugiausia galima {most} MB. Atsiųskite mažesnę kopiją.
lost | The server does not answer. Reload the page and try again. | Serveris neatsako. Įkelkite puslapį iš naujo ir bandykite dar kartą.
reload | Reload | Įkelti iš naujo
unreadable | This file cannot be read. Choose it again. | Šio failo nepavyksta perskaityti. Pasirinkite jį dar kartą.
ours | Something went wrong on our side. Try again. | Kažkas nepavyko mūsų pusėje. Bandykite dar kartą.
full | Many people are here at the moment. This page tries again by itself. | Dabar čia daug žmonių. Puslapis pats bandys dar kartą.
no_links | Links are not followed here. Send the picture itself. | Nuorodos čia neatidaromos. Atsiųskite pačią nuotrauką.
no_feedback | Pictures are not kept here. | Nuotraukos čia nesaugomos.
no_why | This model cannot say where it looked. Export it again. | Šis modelis negali pasakyti, kur žiūrėjo. Eksportuokite jį iš naujo.
""")


_categories = {'shirt': 'marškiniai', 't-shirt': 'marškinėliai', 'polo-shirt': 'polo marškinėliai', 'jeans': 'džinsai', 'socks': 'kojinės', 'shoes': 'batai'}


_sentences = {k: v for k,(v,) in _table("""
Send a JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF picture. | Atsiųskite JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC arba AVIF nuotrauką.
This picture claims to be far too large. {send} | Ši nuotrauka tvirtina esanti per didelė. {send}
This file is not a picture that can be read here. {send} | Šis failas nėra nuotrauka, kurią čia galima perskaityti. {send}
This picture has {mp} megapixels; the most is {most}. Send a smaller copy. | Ši nuotrauka turi {mp} megapikselių; daugiausia galima {most}. Atsiųskite mažesnę kopiją.
This file is empty. {send} | Šis failas tuščias. {send}
This picture needs more memory than there is. Send a smaller copy. | Šiai nuotraukai trūksta atminties. Atsiųskite mažesnę kopiją.
This picture is damaged or incomplete. Send it again, or another copy. | Ši nuotrauka sugadinta arba nepilna. Atsiųskite ją dar kartą arba kitą kopiją.
{file}: cannot be read ({why}). | {file}: nepavyksta perskaityti ({why}).
There is no server called {host}. Check the link. | Nėra serverio pavadinimu {host}. Patikrinkite nuorodą.
This link does not lead to a public server. Send one that opens in any browser, or the picture itself. | Ši nuoroda neveda į viešą serverį. Atsiųskite tokią, kuri atsidaro bet kurioje naršyklėje, arba pačią nuotrauką.
This is not a link. Send one that begins with https:// and leads to a picture. | Tai ne nuoroda. Atsiųskite tokią, kuri prasideda https:// ir veda į nuotrauką.
This is not a link that can be followed here. Send one that begins with https:// and leads to a picture. | Šios nuorodos čia atidaryti negalima. Atsiųskite tokią, kuri prasideda https:// ir veda į nuotrauką.
This link holds a user name or a password. Send one without. | Šioje nuorodoje yra vartotojo vardas arba slaptažodis. Atsiųskite be jų.
This link names port {port}; only {ports} are asked here. Send another link, or the picture itself. | Ši nuoroda nurodo {port} prievadą; čia kreipiamasi tik į {ports}. Atsiųskite kitą nuorodą arba pačią nuotrauką.
The server behind this link answered {status} instead of a picture. Check the link. | Šios nuorodos serveris vietoj nuotraukos atsakė {status}. Patikrinkite nuorodą.
This link leads to a web page. Send the address of the picture on it. | Ši nuoroda veda į tinklalapį. Atsiųskite jame esančios nuotraukos adresą.
The picture behind this link is too large; the most is {mb} MB. Send a smaller copy. | Nuotrauka šiuo adresu per didelė; daugiausia galima {mb} MB. Atsiųskite mažesnę kopiją.
This link is redirected more than {n} times. Send the address that it ends at. | Ši nuoroda peradresuojama daugiau kaip {n} kartus. Atsiųskite galutinį adresą.
The picture behind this link was not here within {s} seconds. Try again, or send the picture itself. | Nuotrauka šiuo adresu neatkeliavo per {s} s. Bandykite dar kartą arba atsiųskite pačią nuotrauką.
The server behind this link cannot be talked to. Try again, or send the picture itself. | Su šios nuorodos serveriu nepavyksta susisiekti. Bandykite dar kartą arba atsiųskite pačią nuotrauką.
There is no category {category} here. Send one of {all}. | Čia nėra kategorijos {category}. Atsiųskite vieną iš: {all}.
There is no room for more pictures at the moment. Thank you all the same. | Šiuo metu daugiau nuotraukų netelpa. Vis tiek ačiū.
""").items()}


@cache
def _patterns(): return [(re.compile(re.sub(r'\\\{(\w+)\\\}', r'(?P<\1>.+)', re.escape(k)), re.S), v) for k,v in _sentences.items()]


class Words:
    "What the page says in one language"
    def __init__(self,
        language:str='en' # One of `languages`
    ):
        self.language, i = language, list(languages).index(language)
        self.texts = {k: v[i] or v[0] for k,v in _page.items()}

    def __call__(self, key, **kw)->str: return self.texts[key].format(**kw)
    def category(self, name:str)->str: return _categories.get(name, name) if self.language == 'lt' else name

    def sentence(self, text:str)->str:
        "A sentence of another room in this language; one that is not known stays as it is"
        if self.language == 'en': return text
        for p,o in _patterns():
            if m := p.fullmatch(text): return o.format(**{k: self.sentence(v) for k,v in m.groupdict().items()})
        return text

    def list(self, names)->str:
        "shirt, jeans and socks"
        *rest, last = map(self.category, names)
        return f"{', '.join(rest)} {self('and')} {last}" if rest else last
