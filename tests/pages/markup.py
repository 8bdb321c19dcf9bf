"""An answer's elements, for tests that ask what is on a page."""

from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
APART = {"div", "p", "span", "li", "td", "th", "dd", "dt"}


class Element:
    def __init__(self, tag, attributes):
        self.tag, self.attributes, self.texts = tag, {name: value or "" for name, value in attributes}, []

    def __getitem__(self, name):
        return self.attributes[name]

    def get(self, name):
        return self.attributes.get(name)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    @property
    def value(self):
        """What a form would send of it."""
        return "".join(self.texts).removeprefix("\n") if self.tag == "textarea" else self.attributes.get("value", "")


class Page(HTMLParser):
    """`Page(response).all("a", href="/models")`: an attribute's name has `_` for `-`, and a trailing one is dropped."""

    def __init__(self, response):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(response if isinstance(response, str) else response.text)

    def handle_starttag(self, tag, attrs):
        if tag in APART:
            self.handle_data(" ")
        element = Element(tag, attrs)
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        while self.open and self.open.pop().tag != tag:
            pass

    def handle_data(self, data):
        for element in self.open:
            element.texts.append(data)

    def all(self, tag=None, **attributes):
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self.elements
            if tag in (None, element.tag) and all(element.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag=None, **attributes):
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes}"
        return found[0]

    def texts(self, tag, **attributes):
        return [element.text for element in self.all(tag, **attributes)]

    def has_class(self, name):
        return [element for element in self.elements if name in (element.get("class") or "").split()]

    def field(self, name):
        """The one field of that name that people fill in."""
        [found] = [
            one
            for one in self.elements
            if one.tag in ("input", "textarea", "select") and one.get("name") == name and one.get("type") != "hidden"
        ]
        return found

    @property
    def form(self):
        """What a browser would send of the fields as they are shown, with the line ends that browsers send."""
        sent, choice = {}, None
        for one in self.elements:
            name = one.get("name")
            if one.tag in ("select", "datalist"):
                choice = name
            elif one.tag == "option" and choice and (choice not in sent or one.get("selected") is not None):
                sent[choice] = one.attributes.get("value", one.text)
            elif one.tag in ("input", "textarea") and (one.get("type") != "checkbox" or one.get("checked") is not None):
                sent.setdefault(name, one.value.replace("\n", "\r\n"))  # a hidden `false` comes after its checkbox
        return {name: value for name, value in sent.items() if name not in (None, "q", "theme")}

    @property
    def invalid(self):
        """The names of the fields that are marked as wrong."""
        return [element.get("name") for element in self.all(aria_invalid="true")]

    @property
    def actions(self):
        """Where the forms on it go that change something."""
        return [form["action"] for form in self.all("form", method="post")]

    @property
    def links(self):
        return [link["href"] for link in self.all("a") if link.get("href")]

    @property
    def more(self):
        """Where the next rows are; None at the end."""
        return next((link for link in self.links if "cursor=" in link), None)


def is_whole(response):
    return response.text.startswith("<!doctype html>")
