"Texts for visitors: every language has every key and placeholder; errors are named by their key"
import re
from string import Formatter

import pytest

from clothing_classifier.images import ImageError
from clothing_classifier.texts import Texts, VisitorError, languages

SINGULAR_FORMS = {'looked_few', 'held_few'} # keys that only some languages need


def placeholders(text): return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_language_has_every_key():
    english = Texts('en').texts
    for language in languages:
        own = Texts(language).texts
        assert set(english) <= set(own)
        extra = {key for key in set(own) - set(english) if not key.startswith('category_')}
        assert extra <= SINGULAR_FORMS


def test_placeholders_are_the_same():
    english = Texts('en').texts
    for language in languages:
        for key,text in Texts(language).texts.items():
            if key in english: assert placeholders(text) == placeholders(english[key]), (language, key)


def test_lithuanian_is_translated():
    english, own = Texts('en').texts, Texts('lt').texts
    same = [k for k in english if own[k] == english[k] and re.search('[a-z]{3}', re.sub(r'\{.*?\}', '', own[k]))]
    assert set(same) <= {'link_hint'}


def test_categories():
    en, lt = Texts('en'), Texts('lt')
    assert (en.category('jeans'), lt.category('jeans'), lt.category('hat')) == ('jeans', 'džinsai', 'hat')
    assert en.list(['shirt', 'jeans', 'socks']) == 'shirt, jeans and socks'
    assert lt.list(['jeans', 'hat']) == 'džinsai ir hat' and en.list(['hat']) == 'hat'


def test_an_error_is_named_by_its_key():
    error = ImageError('image_too_many_megapixels', mp='30', most='25')
    assert isinstance(error, VisitorError) and error.key == 'image_too_many_megapixels'
    assert str(error) == 'This picture has 30 megapixels; the most is 25. Send a smaller copy.'
    assert Texts('lt').error(error).startswith('Ši nuotrauka turi 30')


def test_a_sentence_in_a_sentence():
    assert str(ImageError('image_empty')).endswith(Texts('en')('send'))
    assert Texts('lt').error(ImageError('image_empty')).endswith(Texts('lt')('send'))


def test_an_unknown_key_is_a_mistake_of_ours():
    with pytest.raises(KeyError): Texts('en')('no_such_text')
