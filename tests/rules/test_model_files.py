"""What is read from weight files: real ones by the libraries that write them, and hostile ones by hand."""

import ctypes
import json
import pickle
import struct
import time
import zipfile
from io import BytesIO
from pathlib import Path

import gguf
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from catapult.rules.file_head import FIRST_PIECE, MOST_READ, PIECE
from catapult.rules.model_files import facts

EXAMPLES = settings(max_examples=200, deadline=None, derandomize=True, database=None)
MANY = settings(EXAMPLES, max_examples=600)
LARGEST = 256 * 1024
PICKLE = {"format": "pickle", "warning": "runs code when it is loaded"}
ONE = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
MB = 1_000_000


class Stored:
    """A file that counts what is read of it. Its size may be said to be another."""

    def __init__(self, data, size=None):
        self.data, self.size, self.ranges = data, len(data) if size is None else size, []

    def read(self, start, stop):
        assert 0 <= start < stop <= self.size
        self.ranges.append((start, stop))
        return self.data[start:stop]


def read(data, path="model.safetensors", size=None):
    """The facts, after what is true of those of every file."""
    stored = Stored(data, size)
    result = facts(path, stored.size, stored.read)
    lengths = [stop - start for start, stop in stored.ranges]
    assert max(lengths[:1], default=0) <= FIRST_PIECE
    assert max(lengths, default=0) <= PIECE
    assert sum(lengths) <= MOST_READ + 8 + FIRST_PIECE
    assert len(lengths) <= 12
    text = json.dumps(result, allow_nan=False)
    assert len(text) <= LARGEST
    assert "\\u0000" not in text.replace("\\\\", "")
    assert json.loads(text) == result
    text.encode()
    return result


def problem(data, path="model.safetensors", size=None):
    result = read(data, path, size)
    assert result["problem"].startswith("could not be read: ")
    return result["problem"].removeprefix("could not be read: ")


def safe(header, data=b"", length=None):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def one(**fields):
    """A file with a tensor of 4 bytes that has these fields in place of its own, as JSON."""
    own = {"dtype": '"F32"', "shape": "[1]", "data_offsets": "[0,4]"} | fields
    return safe('{"a":{' + ",".join(f'"{name}":{value}' for name, value in own.items()) + "}}", b"1234")


def filled(begin, item, end, size=MOST_READ):
    """A header of about that size: the item again and again."""
    return begin + (item * ((size - len(begin) - len(end)) // len(item))).rstrip(b",") + end


def many(count, name="layer.{}", shape="1"):
    """A header of tensors of one element, and the size of the file."""
    tensor = '"{}":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}'
    header = "{" + ",".join(tensor.format(name.format(i), shape, i, i + 1) for i in range(count)) + "}"
    return safe(header), len(header.encode()) + 8 + count


def cost(data, path="model.safetensors", size=None):
    """The seconds that reading the file takes, and the bytes of memory by which the process grows meanwhile at most.

    tracemalloc would count them more exactly, and makes reading five times slower.
    """
    ctypes.CDLL(None).malloc_trim(0)  # what is free already would be used again and not counted
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
    before, start = peak(), time.perf_counter()
    read(data, path, size)
    return time.perf_counter() - start, peak() - before


def peak():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


# safetensors


def test_what_safetensors_writes_is_read():
    arrays = {"wte": np.zeros((50, 8), np.float32), "bias": np.zeros(8, np.float16), "none": np.zeros((0, 3), np.int64)}
    result = read(safetensors.numpy.save(arrays, {"format": "pt", "note": "Grüße 😀"}))
    listed = {item["name"]: (item["dtype"], item["shape"]) for item in result.pop("tensor_list")}
    assert listed == {"wte": ("F32", [50, 8]), "bias": ("F16", [8]), "none": ("I64", [0, 3])}
    assert result == {
        "format": "safetensors",
        "parameters": 408,
        "tensors": 3,
        "dtypes": {"F32": 1, "F16": 1, "I64": 1},
        "metadata": {"format": "pt", "note": "Grüße 😀"},
    }


def taken(data):
    """The tensors that safetensors' own reader returns; None if it refuses the file."""
    try:
        tensors = safetensors.deserialize(data)
    except safetensors.SafetensorError:
        return None
    return sorted((name.replace("\0", "\ufffd"), tensor["dtype"], tensor["shape"]) for name, tensor in tensors)


def compare(data):
    """Fail unless the file is refused if the reader refuses it, and has the same tensors otherwise."""
    result, expected = read(data), taken(data)
    if "twice" in result.get("problem", ""):
        return  # stricter than the reader, as the description of the format is
    assert ("problem" in result) == (expected is None), (data, result)
    if expected is not None:
        assert sorted((item["name"], item["dtype"], item["shape"]) for item in result["tensor_list"]) == expected
        assert result["tensors"] == len(expected)


HEADERS = [
    *("{}", "", " ", "[]", "null", "[1]", '{"a":null}', "\ufeff{}"),
    *["{" + ONE + end for end in ("", "}", "}x", "}\0", "} \n\t\r", "}\x0c", ",}")],
    " {" + ONE + "}",
    '{"__metadata__":null,"__metadata__":{}}',
]
METADATA = [
    *("{}", "[]", "null", '{"a":1}', '{"a":null}', '{"a":"b","a":"c"}', '{"a":"\n"}', '{"a":"b",}', '"a"'),
    *(r'{"\u0061\ud83d\ude00":"\u0000"}', r'{"a":"\ud83d"}', r'{"a":"\ude00\ud83d"}', r'{"a":"\x"}'),
]
NAMES = [
    *(r"\ud800", r"\ud83d\ude00", r"\udc00\ud800", r"\u0000", r"\u00g0", r"\"", r"\/", r"\x"),
    *("\x7f", "\t", "\u202e", "", "😀"),
]
VALUES = {
    "dtype": ['"f32"', '"X"', "null", "1", '""', r'"F\u00332"', '"F64"', r'"F32\u0000"', '"I32"', '"F32'],
    "shape": [
        *("[1.0]", "[1e0]", "[-1]", "[-0]", "[01]", "[true]", "null", "[ 1 ]", "[1,]", "[1,1,1]", "[[1]]", '["1"]'),
        *("[]", "[2]", "[18446744073709551616]", "[18446744073709551615]", "[" + "9" * 5000 + "]"),
    ],
    "data_offsets": [
        *("[0]", "[0,4,4]", "[4,0]", "[0.0,4]", "[4,8]", "[0,8]", "[-4,0]", "[]", "null", "{}", "[0,3]", "[1,5]"),
    ],
    "other": [
        *("1", "-0", "1e999", "NaN", "-Infinity", "1" * 400, "1" * 5000, "tru", "[", "[1,2,]", "1,", "\xa0", "{1:1}"),
        *('"\t"', r'"\ud800"', r'{"\ud800":1}', '{"a":"[","b":[{"c":null}]}', '"Grüße"', r'["\"["]'),
        *["[" * depth + "]" * depth for depth in (1, 124, 125, 126, 300, 5000)],
        *['{"":' * depth + "1" + "}" * depth for depth in (124, 125, 126, 5000)],
    ],
}
FIELDS = [
    *[{name: value} for name, values in VALUES.items() for value in values],
    {"shape": "[0,9223372036854775808,4]", "data_offsets": "[0,0]"},
    {"shape": "[9223372036854775808,4,0]", "data_offsets": "[0,0]"},
    {"shape": "[4611686018427387904,4]", "data_offsets": "[0,0]"},
    {"dtype": '"U8"', "shape": "[4611686018427387904]", "data_offsets": "[0,4611686018427387904]"},
    {"dtype": '"F4"', "shape": "[3]", "data_offsets": "[0,1]"},
    {"dtype": '"F4"', "shape": "[8]"},
    {"dtype": '"BOOL"', "shape": "[2,2]"},
]
DTYPES = [
    *("BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"),
    *("I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64", "F64", "I64", "U64", "C128", "U4"),
]


@pytest.mark.parametrize("header", [*HEADERS, *[f'{{"__metadata__":{value}}}' for value in METADATA]])
def test_a_header_is_refused_if_safetensors_refuses_it(header):
    compare(safe(header))
    compare(safe(header, b"1234"))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_refused_if_safetensors_refuses_it(name):
    compare(safe("{" + ONE.replace("a", name, 1) + "}", b"1234"))
    compare(one(other=f'{{"{name}":["{name}"]}}'))


@pytest.mark.parametrize("fields", FIELDS, ids=lambda fields: str(fields)[:60])
def test_a_tensor_is_refused_if_safetensors_refuses_it(fields):
    compare(one(**fields))


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_dtype_has_the_size_that_safetensors_gives_it(dtype):
    for size in (4, 6, 8, 16, 32, 64, 128):
        compare(safe(f'{{"a":{{"dtype":"{dtype}","shape":[8],"data_offsets":[0,{size}]}}}}', bytes(size)))


@pytest.mark.parametrize(
    "offsets", [[(0, 4), (0, 4)], [(0, 4), (8, 12)], [(4, 8), (0, 4)], [(0, 4), (2, 6)], [(4, 8), (8, 12)]]
)
def test_tensors_cover_the_data_without_gap_and_overlap(offsets):
    tensor = '"{}":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}}'
    header = "{" + ",".join(tensor.format(name, *offset) for name, offset in enumerate(offsets)) + "}"
    for size in (4, 6, 8, 12, 13):
        compare(safe(header, bytes(size)))


@pytest.mark.parametrize("length", [0, 1, 3, 2**31, 2**63, 2**64 - 1])
def test_a_length_past_the_end_is_refused(length):
    compare(safe("{}", length=length))
    assert problem(safe("{}", length=length))


@pytest.mark.parametrize(
    "header", [b'{"\xff":1}', b'{"\xed\xa0\x80":1}', b'{"__metadata__":{"a":"\xc3"}}', b"\xff\xfe{\0}\0", b"\xc3"]
)
def test_a_header_that_is_not_utf8_is_refused(header):
    compare(safe(header))
    assert "UTF-8" in problem(safe(header))


@pytest.mark.parametrize(
    "header",
    [
        "{" + ONE + "," + ONE + "}",
        '{"a":["F32",[1],[0,4]]}',
        '{"a":{"dtype":{"F32":null},"shape":[1],"data_offsets":[0,4]}}',
    ],
)
def test_the_description_of_the_format_is_followed_where_the_reader_takes_more(header):
    data = safe(header, b"1234")
    assert taken(data)
    assert problem(data)


DIMENSIONS = st.lists(st.integers(0, 3) | st.sampled_from([2**32, 2**63, 2**64]), max_size=3)
TENSOR = st.fixed_dictionaries(
    {"dtype": st.sampled_from(["F32", "BF16", "U8", "F4", "F6_E2M3", "C128"]), "shape": DIMENSIONS},
    optional={"slack": st.sampled_from([0, 0, 0, 1, -1]), "extra": st.none() | st.floats(allow_nan=True) | st.text()},
)
BITS = {"F32": 32, "BF16": 16, "U8": 8, "F4": 4, "F6_E2M3": 6, "C128": 128}


def built(tensors, indent, metadata):
    """A file with these tensors one after the other, except where there is slack."""
    header, end = ({"__metadata__": metadata} if metadata is not None else {}), 0
    for name, tensor in tensors.items():
        size = int(np.prod([*tensor["shape"], BITS[tensor["dtype"]]], dtype=object)) // 8
        start, end = end, end + size
        offsets = [start, end + tensor.get("slack", 0)]
        header[name] = {"dtype": tensor["dtype"], "shape": tensor["shape"], "data_offsets": offsets}
        if "extra" in tensor:
            header[name]["extra"] = tensor["extra"]
    return safe(json.dumps(header, indent=indent), bytes(min(end, 4096)))


FILES = st.builds(
    built,
    st.dictionaries(st.text(max_size=5), TENSOR, max_size=4),
    st.none() | st.integers(0, 2),
    st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.just("x"), max_size=3),
)


@MANY
@given(FILES)
def test_files_are_read_as_safetensors_reads_them(data):
    compare(data)


@MANY
@given(FILES, st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3)), max_size=4))
def test_changed_files_are_read_as_safetensors_reads_them(data, changes):
    for index, piece, dropped in changes:
        data = data[:index] + piece + data[index + dropped :]
    compare(data)


WORDS = ['"a"', '"dtype"', '"F32"', '"shape"', '"data_offsets"', "[0,4]", ONE, r"\u0041"]


@EXAMPLES
@given(st.lists(st.sampled_from([*'{}[]",:\\ 01', *WORDS])))
def test_json_in_pieces_is_read_as_safetensors_reads_it(parts):
    compare(safe("{" + "".join(parts) + "}", b"1234"))


def test_text_is_kept_short_and_without_nul():
    header = json.dumps({"__metadata__": {"a\0": "x\0y", "bidi": "\u202e\x07", "long": "😀é\\" * 5000}})
    assert read(safe(header))["metadata"] == {
        "a\ufffd": "x\ufffdy",
        "bidi": "\u202e\x07",
        "long": ("😀é\\" * 334)[:1000],
    }


def test_the_answer_stays_small():
    metadata = {f"{number}{'😀' * 900}": "\x01" * 2000 for number in range(300)}
    assert 1 <= len(read(safe(json.dumps({"__metadata__": metadata})))["metadata"]) <= 200
    data, size = many(1000, "{}" + "\x7f\u202e" * 450)
    result = read(data, size=size)
    assert result["tensors"] == 1000
    assert 1 <= len(result["tensor_list"]) <= 200
    data, size = many(300)
    assert [item["name"] for item in read(data, size=size)["tensor_list"]] == [f"layer.{i}" for i in range(200)]


def test_the_limits_of_a_header():
    assert read(safe("{" + " " * (MOST_READ - 2) + "}"))["tensors"] == 0
    assert "at most 10,000,000" in problem(safe("{" + " " * (MOST_READ - 1) + "}"))
    data, size = many(100_000)
    assert read(data, size=size)["parameters"] == 100_000
    data, size = many(100_001)
    assert "more than 100,000 tensors" in problem(data, size=size)
    entries = {str(number): "" for number in range(10_000)}
    assert len(read(safe(json.dumps({"__metadata__": entries})))["metadata"]) == 200
    assert "10,000 entries" in problem(safe(json.dumps({"__metadata__": entries | {"x": ""}})))
    assert read(one(shape=f"[{'1,' * 63}1]"))["tensors"] == 1
    assert "valid shape" in problem(one(shape=f"[{'1,' * 64}1]"))
    assert "name of more than" in problem(safe('{"' + "x" * 65_535 + '":{}}'))
    assert read(one(other=f"[{'1,' * 2_000}1]"))["tensors"] == 1
    assert "unknown field" in problem(one(other=f"[{'1,' * 2_048}1]"))
    assert read(one(**{f"x{number}": "1" for number in range(100_000)}))["tensors"] == 1
    assert "unknown field" in problem(one(**{f"x{number}": "1" for number in range(100_001)}))
    assert "unknown field" in problem(one(**{f"x{number}": f"[{'1,' * 2_000}1]" for number in range(250)}))


def test_a_file_is_read_in_few_pieces():
    stored = Stored(safe(json.dumps({"__metadata__": {"a": "b" * 1000}}), b""))
    assert facts("a.safetensors", stored.size, stored.read)["metadata"]
    assert len(stored.ranges) == 1
    stored = Stored(safe("{}", length=MOST_READ + 1), 2**40)
    assert "problem" in facts("a.safetensors", stored.size, stored.read)
    assert len(stored.ranges) == 1


WORST = {
    "names": many(99_000, "{}" + "x" * 35),
    "escaped names": many(30_000, "{}\\u0041😀😀😀😀😀😀😀"),
    "long names": many(150, "{}😀" + "x" * 64_000),
    "dimensions": many(3_000, "{}", "1," * 63 + "1"),
    "metadata": (safe(filled(b'{"__metadata__":{', b'"\\n":"",', b"}}")), None),
    "an escaped text": (safe(filled(b'{"__metadata__":{"a":"', b"\\u0041", b'"}}')), None),
    "a text": (safe(filled(b'{"__metadata__":{"a":"', "😀".encode(), b'"}}')), None),
    "a shape": (safe(filled(b'{"a":{"shape":[', b"1,", b"]}}")), None),
    "space": (safe(b"{" + b" " * (MOST_READ - 2) + b"}"), None),
    "nesting": (safe(filled(b'{"a":{"x":', b"[", b"}}")), None),
    "nesting at the top": (safe(filled(b'{"a":', b'{"a":', b"")), None),
    "a list": (safe(filled(b'{"a":{"x":[', b"[],", b"]}}")), None),
    "lists": (safe(filled(b'{"a":{', b'"":[' + b"[]," * 1_360 + b"[]],", b"}}")), None),
    "fields": (safe(filled(b'{"a":{', b'"":1,', b"}}", MB)), None),
}


@pytest.mark.parametrize("worst", WORST)
def test_the_worst_headers_cost_little(worst):
    data, size = WORST[worst]
    seconds, memory = cost(data, size=size)
    assert seconds < 15  # 2 on a machine that does nothing else
    assert memory < 64 * MB


# GGUF


def text(value, order="<"):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack(order + "Q", len(value)) + value


def entry(key, kind, code, *values, order="<"):
    return text(key, order) + struct.pack(f"{order}I{code}", kind, *values)


def words(key, value):
    return text(key) + struct.pack("<I", 8) + text(value)


def array(kind, count, items=b""):
    return text("tokenizer.x") + struct.pack("<IIQ", 9, kind, count) + items


def tensor(name="w", shape=(8,), kind=0, offset=0, order="<"):
    return text(name, order) + struct.pack(f"{order}I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def model(entries=(), tensors=(), data=b"", counts=None, version=3, order="<"):
    counts = counts or (len(tensors), len(entries))
    head = b"GGUF" + struct.pack(order + "IQQ", version, *counts) + b"".join(entries) + b"".join(tensors)
    return head + (b"\0" * (-len(head) % 32) + data if data else b"")


def described(data, size=None):
    return read(data, "model.gguf", size)


def fault(data, size=None):
    return problem(data, "model.gguf", size)


def written(folder, endianess=gguf.GGUFEndian.LITTLE):
    """A small language model as the package `gguf` writes it."""
    path = folder / f"{endianess}.gguf"
    writer = gguf.GGUFWriter(path, "llama", endianess=endianess)
    writer.add_name("Tiny")
    writer.add_license("apache-2.0")
    writer.add_context_length(4096)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    writer.add_token_list([f"token{number}" for number in range(20_000)])
    writer.add_token_scores([0.5] * 20_000)
    writer.add_bool("some.flag", True)
    writer.add_tensor("norm", np.ones(64, np.float32))
    writer.add_tensor("half", np.ones((3, 5), np.float16))
    for name, kind in (("q4", gguf.GGMLQuantizationType.Q4_K), ("q8", gguf.GGMLQuantizationType.Q8_0)):
        block, size = gguf.GGML_QUANT_SIZES[kind]
        writer.add_tensor(name, np.zeros((2, 3 * size), np.uint8), raw_dtype=kind)
        assert block in (32, 256)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("endianess", gguf.GGUFEndian)
def test_what_gguf_writes_is_read(tmp_path, endianess):
    path = written(tmp_path, endianess)
    assert described(path.read_bytes()) == {
        "format": "gguf",
        "version": 3,
        "byte_order": endianess.name.lower(),
        "architecture": "llama",
        "name": "Tiny",
        "license": "apache-2.0",
        "context_length": 4096,
        "quantization": "Q4_K_M",
        "parameters": 64 + 15 + 2 * 3 * 256 + 2 * 3 * 32,
        "tensors": 4,
        "dtypes": {"F32": 1, "F16": 1, "Q4_K": 1, "Q8_0": 1},
    }


def test_the_names_of_types_are_those_of_gguf():
    for kind, (block, size) in gguf.GGML_QUANT_SIZES.items():
        data = model((), [tensor(shape=(block, 3), kind=kind)], bytes(3 * size))
        assert described(data)["dtypes"] == {kind.name: 1}
        assert described(data)["parameters"] == block * 3
        assert "the file has" in fault(data[:-1])
    for kind in gguf.LlamaFileType:
        if kind != gguf.LlamaFileType.GUESSED:
            for number in (kind, kind | gguf.LlamaFileType.GUESSED):
                data = model([entry("general.file_type", 4, "I", number)])
                assert described(data)["quantization"] == kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")
    assert described(model([entry("general.file_type", 4, "I", 999)]))["quantization"] == "file type 999"


@MANY
@given(data=st.data())
def test_changed_gguf_files_are_read_or_have_a_problem(data, tmp_path_factory):
    whole = model(
        [words("general.architecture", "bert"), entry("bert.context_length", 4, "I", 512), array(8, 2, text("a") * 2)],
        [tensor("a"), tensor("b", (32, 2), 8, 32)],
        bytes(32 + 68),
    )
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(whole)))
        whole = whole[:index] + data.draw(st.binary(max_size=8)) + whole[index + data.draw(st.integers(0, 8)) :]
    result = described(whole)
    if "problem" not in result:
        assert result["tensors"] == int.from_bytes(whole[8:16], "little" if result["byte_order"] == "little" else "big")


@pytest.mark.parametrize("version", [0, 1, 4, 2**16, 2**31])
def test_other_versions_have_a_problem(version):
    assert "version" in fault(model(version=version))


@pytest.mark.parametrize(("version", "order"), [(2, "<"), (3, "<"), (3, ">")])
def test_versions_2_and_3_are_read(version, order):
    data = model((), [tensor(order=order)], bytes(32), version=version, order=order)
    assert described(data) | {"version": version, "parameters": 8} == described(data)


HUGE = 2**60


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends too early"),
        (b"GGUF", "ends too early"),
        (b"GGML" + bytes(60), "does not begin"),
        (model(counts=(0, 1)), "ends too early"),
        (model(counts=(HUGE, 0)), "tensors"),
        (model(counts=(0, HUGE)), "entries"),
        (model(counts=(1, 0)), "ends too early"),
        (model([array(0, HUGE)]), "ends too early"),
        (model([array(8, HUGE, text("a") * 50)]), "ends too early"),
        (model([array(9, HUGE)]), "ends too early"),
        (model([array(8, 3, struct.pack("<Q", 2**64 - 1))]), "ends too early"),
        (model([array(9, 1, struct.pack("<IQ", 9, 1) * 9)]), "within each other"),
        (model([array(13, 1)]), "unknown type 13"),
        (model([entry("a", 13, "")]), "unknown type 13"),
        (model([entry("a", 4, "I", 1), entry("a", 4, "I", 1)]), "'a' twice"),
        (model([entry(b"\xff", 4, "I", 1)]), "UTF-8"),
        (model([struct.pack("<Q", 2**16)]), "name of 65,536 bytes"),
        (model([entry("general.alignment", 4, "I", 0)]), "power of two"),
        (model([entry("general.alignment", 4, "I", 24)]), "power of two"),
        (model([entry("general.alignment", 5, "i", -8)]), "32 bits"),
        (model([words("general.alignment", "32")]), "32 bits"),
        (model((), [tensor(), tensor()], bytes(64)), "'w' twice"),
        (model((), [tensor(), tensor("v")], bytes(64)), "overlap"),
        (model((), [tensor(offset=8)], bytes(64)), "multiple of 32"),
        (model((), [tensor(offset=2**63)], bytes(64)), "the file has"),
        (model((), [tensor(shape=(2**32, 2**31))], bytes(64)), "too large"),
        (model((), [tensor(shape=(2**63, 0))], bytes(64)), "too large"),
        (model((), [tensor(shape=(1,) * 5)], bytes(64)), "5 dimensions"),
        (model((), [struct.pack("<QI", 0, 2**32 - 1)]), "dimensions"),
        (model((), [tensor(shape=(33,), kind=8)], bytes(64)), "whole blocks of 32"),
        (model((), [tensor(shape=(256,))], bytes(64)), "the file has"),
    ],
)
def test_a_gguf_file_that_is_not_valid_has_a_problem(data, why):
    assert why in fault(data)


def test_a_gguf_file_can_have_what_few_have():
    assert described(model())["tensors"] == 0
    assert described(model((), [tensor(shape=())], bytes(4)))["parameters"] == 1
    assert described(model((), [tensor(kind=99)], bytes(4)))["dtypes"] == {"type 99": 1}
    assert (
        described(model([array(9, 2, struct.pack("<IQI", 4, 1, 7) + struct.pack("<IQ", 8, 1) + text("a"))]))["tensors"]
        == 0
    )
    aligned = model([entry("general.alignment", 4, "I", 8)], [tensor(), tensor("v", (2,), 0, 32)], bytes(64))
    assert described(aligned)["parameters"] == 10
    kinds = [tensor(str(kind), kind=kind, offset=0) for kind in range(100, 300)]
    assert described(model((), kinds, bytes(4)))["dtypes"]["other"] == 200 - 64
    odd = model([words("general.name", b"\xff\0\xe2\x80\xae" + b"x" * 5000), entry("general.license", 7, "?", True)])
    assert described(odd)["name"] == "\ufffd\ufffd\u202e" + "x" * 997
    assert "license" not in described(odd)
    strange = [
        words("general.architecture", "a"),
        entry("a.context_length", 7, "?", True),
        words("general.file_type", "F32"),
    ]
    assert not {"context_length", "quantization"} & set(described(model(strange)))


def test_what_was_read_before_the_limit_is_kept():
    first = [words("general.architecture", "bert"), entry("bert.context_length", 4, "I", 512)]
    for tokens in (array(8, HUGE, text("abcde") * 900_000), array(8, HUGE, text(b"a" * 1_100_000) * 30)):
        data = model([*first, tokens])
        assert "longer than 10,000,000 bytes" in fault(data)
        assert described(data)["architecture"] == "bert"
        assert described(data)["context_length"] == 512


def test_long_lists_of_a_tokenizer_are_gone_past():
    scores = array(6, 20_000_000, bytes(80_000_000))
    assert described(model([scores, words("general.name", "After")]))["name"] == "After"


def test_the_worst_gguf_files_cost_little():
    names = [tensor(f"{number}" + "x" * 40, offset=32 * number) for number in range(100_000)]
    long = [tensor(f"{number}😀" + "x" * 65_000, offset=32 * number) for number in range(150)]
    for data in (
        model((), names, bytes(3_200_000)),
        model((), long, bytes(4_800)),
        model([words(f"general.{number}", b"\xff" * 980) for number in range(9_000)]),
        model([array(8, 200_000, text("") * 200_000)]),
        model([array(9, HUGE, struct.pack("<IQ", 8, 0) * 100_000)]),
    ):
        seconds, memory = cost(data, "model.gguf")
        assert seconds < 15  # 1 on a machine that does nothing else
        assert memory < 64 * MB
    assert "100,001 tensors" in fault(model(counts=(100_001, 0)))
    assert "10,001 entries" in fault(model(counts=(0, 10_001)))


# Pickles, and what has no format


def archive(name):
    """A ZIP archive with a small file of that name after a large one."""
    data = BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("weights/data/0", bytes(200_000))
        file.writestr(name, b"x")
    return data.getvalue()


@pytest.mark.parametrize("ending", ["pkl", "pickle", "pt", "pth", "ckpt", "joblib", "PKL"])
@pytest.mark.parametrize("data", [pickle.dumps([1]), b"", b"BZh9", b"\0" * 100])
def test_a_pickle_by_name_has_a_warning(ending, data):
    assert read(data, f"model.{ending}") == PICKLE


class Hostile:
    def __reduce__(self):
        return print, ("ran",)


@pytest.mark.parametrize("path", ["pytorch_model.bin", "model", "weights.dat"])
@pytest.mark.parametrize(
    "data",
    [
        *[pickle.dumps({"a": [1]}, protocol) for protocol in range(2, 6)],
        *[pickle.dumps(Hostile(), protocol) for protocol in range(6)],
        archive("weights/data.pkl"),
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
    ],
)
def test_a_pickle_by_its_first_bytes_has_a_warning(path, data):
    assert read(data, path) == PICKLE


@pytest.mark.parametrize("path", ["tf_model.bin", "model.onnx", "README.md", "config.json", "a.npz", "a"])
@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\x08\x07\x12\x07pytorch", b'{"a": 1}\n', b"\x80", b"\x80\x02", b"cat\ndog\n", b"\x80\x07a"),
        archive("arr_0.npy"),
    ],
)
def test_what_has_no_format_has_no_facts(path, data):
    assert read(data, path) == {}


def test_first_bytes_decide_where_the_name_does_not():
    assert read(safe("{" + ONE + "}", b"1234"), "model.bin")["format"] == "safetensors"
    assert read(model(), "ggml-model.bin")["format"] == "gguf"
    assert "problem" in read(model(), "model.safetensors")


@EXAMPLES
@given(
    st.one_of(
        st.binary(max_size=300), st.binary(max_size=80).map(lambda data: b"GGUF\3\0\0\0" + data), st.binary().map(safe)
    ),
    st.sampled_from(["a.safetensors", "a.gguf", "a.bin", "a.pt", "a", "", ".", "a\0", "\ud800.gguf"]),
    st.none() | st.integers(0, 2**63),
)
def test_any_bytes_are_read_or_have_a_problem(data, path, size):
    result = read(data, path, size)
    assert result.get("format") in (None, "safetensors", "gguf", "pickle")


def test_what_reading_raises_is_passed_on():
    def gone(start, stop):
        raise OSError("gone")

    for path in ("a.safetensors", "a.gguf", "a.bin"):
        with pytest.raises(OSError, match="gone"):
            facts(path, 100, gone)
