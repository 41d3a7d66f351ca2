"""Prints, as JSON, what python-docx reads in the Word document on standard input."""

import io
import json
import sys

from docx import Document
from docx.oxml.ns import qn


def told(paragraph):
    properties = paragraph._p.pPr
    return {
        "style": paragraph.style.name,
        "text": paragraph.text,
        "rightToLeft": properties is not None and properties.find(qn("w:bidi")) is not None,
    }


document = Document(io.BytesIO(sys.stdin.buffer.read()))
paragraphs = [told(paragraph) for paragraph in document.paragraphs]
json.dump({"title": document.core_properties.title, "paragraphs": paragraphs}, sys.stdout)
