"""The first notebook as a page: a video dropped on it is read, a bad file refused, and nothing stays."""

import os
import socket
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from commands import PROJECT

DROP = """(node, [name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name));
  node.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""

# Larger than any message: it never leaves the browser.
DROP_LARGE = """(node) => {
  const data = new DataTransfer();
  const file = new File(["x"], "long.mp4");
  Object.defineProperty(file, "size", { value: 2e9 });
  Object.defineProperty(data, "files", { value: [file] });
  const event = new DragEvent("drop", { bubbles: true });
  Object.defineProperty(event, "dataTransfer", { value: data });
  node.dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def served(trained, tmp_path_factory, browser):
    pytest.importorskip("voila")
    notebook = nbformat.read(PROJECT / "notebooks" / "00_start_here.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    cell.source = f"run_dir: str = {str(trained.folder)!r}"
    folder = tmp_path_factory.mktemp("app")
    nbformat.write(notebook, folder / "start.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "voila", folder / "start.ipynb", "--no-browser", f"--port={port}"]
    command += ["--MappingKernelManager.cull_idle_timeout=5", "--MappingKernelManager.cull_interval=1"]
    options = {"cwd": PROJECT, "env": {**os.environ, "PYTHONPATH": str(PROJECT)}}
    log = (folder / "log").open("w")
    process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, **options)
    address = f"http://127.0.0.1:{port}/"
    yield address, process, folder / "log"
    process.terminate()
    process.wait(30)


def open_page(browser, address: str):
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    for _ in range(60):
        try:
            page.goto(address, timeout=180_000)
            break
        except Exception:  # the server is not there yet
            time.sleep(0.5)
    page.wait_for_selector(".gaitlib-picker input", timeout=240_000)
    return page


def num_kernels(process: subprocess.Popen) -> int:
    children = [child for child in psutil.Process(process.pid).children() if child.status() != "zombie"]
    return sum("ipykernel" in " ".join(child.cmdline()) for child in children)


def test_own_videos_are_read_and_bad_files_refused(served, browser, demo_video, tmp_path):
    address, process, log = served
    page = open_page(browser, address)
    assert page.locator("video").count() == 1, log.read_text()  # the drawn walker
    page.set_input_files(".gaitlib-picker input", demo_video)
    page.wait_for_selector("text=walk.mp4 is read", timeout=120_000)
    assert page.locator("video").count() == 2
    page.locator(".gaitlib-picker").evaluate(DROP, ["notes.txt", "no video"])
    page.wait_for_selector("text=notes.txt is read", timeout=60_000)
    assert "not readable" in page.locator("body").inner_text()
    page.set_input_files(".gaitlib-picker input", demo_video)  # the page goes on
    page.wait_for_selector("text=Choose video 4", timeout=120_000)
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert page.locator("video").count() == 2
    assert num_kernels(process) == 1
    page.locator(".gaitlib-picker").evaluate(DROP_LARGE)
    page.wait_for_selector("text=2000 MB, more than 500 MB")
    page.goto("about:blank")
    for _ in range(40):
        if not num_kernels(process):
            break
        time.sleep(0.5)
    assert num_kernels(process) == 0, log.read_text()
