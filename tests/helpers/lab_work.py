"""Real work for the extension modules of the lab's wheels; a target interpreter runs it, not the tests.

``python lab_work.py NAME`` runs the function for one project, which prints a line on what it used. All must
run on Python 3.9 and on 3.11, with what the two lists of wheels hold.
"""

# mypy: disable-error-code="import-not-found, import-untyped, attr-defined, no-untyped-call, unused-ignore"

from __future__ import annotations

import io
import os
import sys
import tempfile
import zipfile


def cffi() -> str:
    import _cffi_backend
    import cffi

    ffi = cffi.FFI()
    ffi.cdef("size_t strlen(const char *);")
    assert ffi.dlopen(None).strlen(b"four") == 4
    return f"cffi backend {_cffi_backend.__version__} calls the libc"


def charset_normalizer() -> str:
    import charset_normalizer
    from charset_normalizer import cd, md

    text = "Всеки човек има право на образование. Образованието трябва да бъде безплатно."
    best = charset_normalizer.from_bytes(text.encode("cp1251")).best()
    assert best is not None
    assert str(best) == text
    assert [(module.__file__ or "")[-3:] for module in (cd, md)] == [".so", ".so"]
    return f"charset-normalizer, compiled, recognises {best.encoding}"


def coverage() -> str:
    import coverage
    from coverage.tracer import CTracer

    measured = coverage.Coverage(data_file=None, config_file=False)
    measured.start()
    tracer: object = sys.gettrace()
    measured.stop()
    assert isinstance(tracer, CTracer)
    return f"coverage {coverage.__version__} traces with its {type(tracer).__name__}"


def cryptography() -> str:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.backends.openssl import backend
    from cryptography.hazmat.bindings import _rust

    fernet = Fernet(Fernet.generate_key())
    assert fernet.decrypt(fernet.encrypt(b"secret")) == b"secret"
    assert os.path.basename(_rust.__file__) == "_rust.abi3.so"
    return f"cryptography encrypts with {backend.openssl_version_text()}"


def greenlet() -> str:
    import greenlet

    parent = greenlet.getcurrent()
    child = greenlet.greenlet(lambda first: parent.switch(first + 1) * 2)
    assert child.switch(1) == 2
    assert child.switch(5) == 10
    assert child.dead
    return f"greenlet {greenlet.__version__} switches"


def jellyfish() -> str:
    import jellyfish
    from jellyfish import _rustyfish

    assert jellyfish.levenshtein_distance is _rustyfish.levenshtein_distance
    assert jellyfish.levenshtein_distance("jellyfish", "smellyfish") == 2
    return "jellyfish, compiled, compares"


def kiwisolver() -> str:
    import kiwisolver

    x, solver = kiwisolver.Variable("x"), kiwisolver.Solver()
    solver.addConstraint(x >= 3)
    solver.addConstraint((x == 1) | "weak")
    solver.updateVariables()
    assert x.value() == 3
    return f"kiwisolver {kiwisolver.__kiwi_version__} solves"


def librt() -> str:
    from librt import base64

    assert base64.b64encode(b"librt") == b"bGlicnQ="
    return "librt encodes"


def lxml() -> str:
    from lxml import etree, html, objectify

    tree = etree.fromstring("<a><b n='1'>2</b><b>3</b></a>")
    assert tree.xpath("sum(//b)") == 5
    assert [b.tag for b in etree.ElementTree(tree).iterfind("b[@n]")] == ["b"]
    assert html.fromstring("<p>one<p>two").xpath("//p[2]")[0].text == "two"
    assert objectify.fromstring("<a><b>2</b></a>").b == 2
    return "lxml parses and searches with libxml2 {}.{}.{}".format(*etree.LIBXML_VERSION)


def markupsafe() -> str:
    import markupsafe
    from markupsafe import _speedups

    assert markupsafe._escape_inner is _speedups._escape_inner
    assert markupsafe.escape("<a & 'b'>") == "&lt;a &amp; &#39;b&#39;&gt;"
    return "MarkupSafe escapes with its C version"


def mypy() -> str:
    import mypy.api
    import mypy.build

    assert mypy.build.__file__.endswith(".so")
    words = ["--config-file=", f"--cache-dir={os.devnull}", "-c", "x: int = 'one'"]
    result, errors, status = mypy.api.run(words)
    assert (status, errors) == (1, "")
    assert "Incompatible types in assignment" in result
    return "mypy, compiled, checks a program"


def numpy() -> str:
    import numpy as np

    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    assert (a @ a == [[5, 5], [5, 10]]).all()
    assert np.allclose(np.linalg.solve(a, [3, 4]), [1, 1])
    assert np.allclose(np.linalg.inv(a) @ a, np.eye(2))
    assert np.allclose(np.fft.ifft(np.fft.fft([1, 2, 3])), [1, 2, 3])
    assert np.random.default_rng(1).integers(10, size=5).shape == (5,)
    return f"numpy {np.__version__} multiplies, inverts and transforms"


def pillow() -> str:
    from PIL import Image, ImageFont, features

    for file_format in ("PNG", "JPEG", "WEBP", "AVIF"):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), "red").save(file, file_format)
        red, green, blue = Image.open(file).convert("RGB").getpixel((3, 3))
        assert red > 250, file_format
        assert max(green, blue) < 5, file_format
    assert ImageFont.load_default().getbbox("text")[2] > 0
    return f"Pillow writes and reads PNG with zlib {features.version('zlib')}, JPEG, WebP and AVIF"


def psycopg_binary() -> str:
    from psycopg import conninfo, pq
    from psycopg._cmodule import _psycopg

    assert pq.__impl__ == "binary"
    assert pq.PGconn.__module__ == "psycopg_binary.pq"
    assert _psycopg is not None
    assert _psycopg.__name__ == "psycopg_binary._psycopg"
    assert conninfo.conninfo_to_dict("host=a port=1")["host"] == "a"
    return f"psycopg speaks through libpq {pq.version()}"


def pydantic_core() -> str:
    import pydantic_core

    validator = pydantic_core.SchemaValidator({"type": "list", "items_schema": {"type": "int"}})
    assert validator.validate_json('["1", 2]') == [1, 2]
    return f"pydantic-core {pydantic_core.__version__} validates"


def python_calamine() -> str:
    import python_calamine

    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    sheets = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    with tempfile.TemporaryDirectory() as folder:
        book = os.path.join(folder, "book.xlsx")
        with zipfile.ZipFile(book, "w") as archive:
            archive.writestr(
                "xl/workbook.xml",
                f'<workbook xmlns="{sheets}" xmlns:r="{relations}">'
                '<sheets><sheet name="First" sheetId="1" r:id="r1"/></sheets></workbook>',
            )
            archive.writestr(
                "xl/_rels/workbook.xml.rels",
                '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                f'<Relationship Id="r1" Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/>'
                "</Relationships>",
            )
            archive.writestr(
                "xl/worksheets/sheet1.xml",
                f'<worksheet xmlns="{sheets}"><dimension ref="A1"/><sheetData>'
                '<row r="1"><c r="A1"><v>42</v></c></row></sheetData></worksheet>',
            )
        assert python_calamine.get_sheet_names(book) == ["First"]
        assert python_calamine.get_sheet_data(book, 0) == [[42]]
    return "python-calamine reads a workbook"


def pyyaml() -> str:
    import yaml

    assert yaml.load("a: [1, {b: null}]", yaml.CSafeLoader) == {"a": [1, {"b": None}]}
    assert yaml.dump({"a": 1}, Dumper=yaml.CSafeDumper) == "a: 1\n"
    return f"PyYAML parses with libyaml {yaml._yaml.get_version_string()}"


def ujson() -> str:
    import ujson

    value = {"a": [1, 2.5, None, "é"], "b": {"c": True}}
    assert ujson.loads(ujson.dumps(value)) == value
    return f"ujson {ujson.__version__} writes and reads"


if __name__ == "__main__":
    sys.stdout.write(globals()[sys.argv[1]]() + "\n")
