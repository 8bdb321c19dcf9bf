"""Files are added in the browser: sent with progress while the page goes on, or picked on the mount, and all of it by keyboard."""

import os

import pytest
from playwright.sync_api import expect

from browser.axe import check
from browser.window import dialog_of, fits, focused, is_marked, settled, toast, visit


@pytest.fixture
def address(model):
    """A version that takes files."""
    return f"/models/{model['name']}/versions/1.2.0"


def files(page):
    return page.locator("#files tbody tr")


def test_files_are_sent_one_after_the_other_in_place(windows, address, tmp_path):
    windows.allow(409)
    page = windows("publisher")
    visit(page, address)
    for number, name in enumerate(("model.bin", "eval.json")):
        (tmp_path / name).write_text(name)
        page.get_by_label("File", exact=True).set_input_files(tmp_path / name)
        page.get_by_role("button", name="Add file").click()
        expect(toast(page).last).to_contain_text(f"Added {name}.")
        expect(files(page)).to_have_count(number + 1)
        expect(page.get_by_label("File", exact=True)).to_have_value("")
    assert is_marked(page)
    (tmp_path / "other").write_text("other")
    page.get_by_label("Path in the version").fill("model.bin")
    page.get_by_label("File", exact=True).set_input_files(tmp_path / "other")
    page.get_by_role("button", name="Add file").click()
    expect(page.locator("#field-file-fault")).to_contain_text("model.bin has other content.")
    expect(page.get_by_label("Path in the version")).to_have_value("model.bin")
    settled(page)
    check(page, within="#files")
    page.get_by_label("Path in the version").fill("another.bin")
    page.wait_for_timeout(700)  # a button that a swap has just put there is not pressed by accident
    page.get_by_role("button", name="Add file").click()  # the file is still chosen
    expect(files(page)).to_have_count(3)


def test_a_long_upload_shows_how_far_it_is_and_the_page_goes_on(windows, address, tmp_path):
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(6_000_000))
    page = windows("publisher")
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_000_000}
    visit(page, address)
    network.send("Network.emulateNetworkConditions", limits)
    page.get_by_label("File", exact=True).set_input_files(large)
    page.get_by_role("button", name="Add file").click()
    bar = page.get_by_role("progressbar", name="Sent")
    expect(bar).to_be_visible()
    assert 0 < bar.evaluate("(bar) => bar.value") <= 1
    expect(page.locator("[data-sent]")).to_contain_text("6.0 MB")
    page.locator("#comment-text").fill("typed meanwhile")
    expect(toast(page)).to_contain_text("Added large.bin.", timeout=20_000)
    expect(bar).to_be_hidden()
    expect(page.locator("#comment-text")).to_have_value("typed meanwhile")


def test_a_folder_of_the_mount_is_gone_into_and_registered_by_keyboard(windows, address):
    page = windows("publisher")
    visit(page, address)
    dialog = dialog_of(page, "From the mount…")
    assert focused(page) == "h2 #mount-name From the mount"
    check(page, within="#dialog")
    for name in ("runs/", "17/"):
        dialog.get_by_role("link", name=name).focus()
        page.keyboard.press("Enter")
        expect(dialog.locator("h2")).to_have_text(f"Folder {name[:-1]}")
        settled(page)
        assert focused(page).startswith("h2 #mount-name")
    dialog.get_by_role("link", name="runs").focus()
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("notes.txt")).to_be_visible()
    settled(page)
    dialog.get_by_label("All files of this folder").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_label("notes.txt")).to_be_checked()
    dialog.get_by_label("Path in the version").fill("docs/notes.txt")
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(toast(page)).to_contain_text("Added docs/notes.txt")
    expect(files(page)).to_contain_text(["docs/notes.txt"])
    assert is_marked(page)


def test_both_forms_work_without_javascript(windows, address, tmp_path):
    page = windows("publisher", java_script_enabled=False)
    (tmp_path / "model.bin").write_text("weights")
    page.goto(address)
    page.get_by_label("File", exact=True).set_input_files(tmp_path / "model.bin")
    page.get_by_role("button", name="Add file").click()
    expect(files(page)).to_contain_text(["model.bin"])
    page.locator("summary", has_text="Add a file").click()
    page.get_by_role("link", name="From the mount…").click()
    page.get_by_role("link", name="runs/").click()
    page.get_by_role("link", name="16/").click()
    page.get_by_label("All files of this folder").check()
    page.get_by_label("Path in the version").fill("run")
    page.get_by_role("button", name="Register").click()
    expect(files(page)).to_contain_text(["model.bin", "run/eval.json", "run/model.safetensors"])


def test_the_dialog_fits_into_320_px(windows, address):
    page = windows("publisher", viewport={"width": 320, "height": 640})
    page.goto(address)
    dialog_of(page, "From the mount…")
    fits(page)
    page.locator("#dialog").get_by_role("link", name="runs/").click()
    expect(page.get_by_label("notes.txt")).to_be_visible()
    fits(page)
