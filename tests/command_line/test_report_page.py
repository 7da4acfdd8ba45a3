"""`cellwright report --html`: one page of a run of any host, and how it works in a browser."""

import base64
import gzip
import json
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import keras_tuner
import numpy as np
import optuna
import pytest

from cellwright.adapters.optuna_sampler import StrategySampler, suggest
from cellwright.adapters.optuna_storage import open_storage
from cellwright.command_line.pages import drawings, marks
from cellwright.command_line.pages.page import write_page
from cellwright.plugins import ParetoEvolution, PredictorGuided
from cellwright.search_spaces import MLPSpace, NASNetSpace
from cellwright.searches.findings import find
from cellwright.searches.runs import open_run

pytest.importorskip("vl_convert", reason="vl-convert-python is not installed: extra report")
pytest.importorskip("jinja2", reason="Jinja2 is not installed: extra report")

KEPT = Path(__file__).parents[1] / "fixtures" / "before_rooms"
# What would run, or break out of where it stands, if it were not escaped.
EVIL = "</script><script>window.owned = 1</script><img src=x onerror='window.owned=1'>\"'`${1}"


def study_of(url, space, *, trials, names=("val_accuracy", "parameters"), name="mine"):
    """A study of two objectives, or of one, with a foreign text wherever one may stand."""
    directions = ["maximize", "minimize"][: len(names)]
    strategy = ParetoEvolution if len(names) > 1 else PredictorGuided
    study = optuna.create_study(
        storage=open_storage(url), study_name=name, directions=directions,
        sampler=StrategySampler(strategy(space, seed=0)),
    )  # fmt: skip

    def objective(trial):
        params = suggest(trial, space)
        codes = np.array(space.encode(params))
        trial.suggest_float(EVIL, 0, 1)
        trial.set_user_attr("<b>metric</b>", float(trial.number))
        if trial.number == 3:
            trial.set_user_attr("error", f"ValueError: {EVIL}")
            raise ValueError("broken on purpose")
        accuracy = float(0.5 + 0.4 * np.mean(codes % 3) / 2)
        if len(names) == 1:
            for epoch in (1, 2, 3):
                trial.report(accuracy * epoch / 3, epoch)
            return accuracy
        curve = [(epoch, accuracy * epoch / 3) for epoch in (1, 2, 3)]
        trial.set_user_attr("curves", {"val_accuracy": curve})
        return accuracy, float(1000 + 100 * codes.sum())

    study.optimize(objective, n_trials=trials, catch=(ValueError,))
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(list(names))
    return study


def page_of(what, folder, **how):
    """The text of a run's page, without the other files of a report."""
    run = open_run(str(what), **how)
    found = find(run)
    file = write_page(folder / "report.html", str(what), run, found, top=5, summary=[EVIL])
    return file.read_text("utf-8")


def data_of(page):
    """What the page's script reads."""
    return json.loads(re.search(r'id="data">(.*?)</script>', page)[1])


@pytest.fixture(scope="module")
def two_objectives(tmp_path_factory):
    """A study of two objectives in a space of cells, its page's file, and the page."""
    home = tmp_path_factory.mktemp("two")
    (home / "two_blocks.py").write_text(
        "from cellwright.search_spaces import NASNetSpace\n"
        "def space():\n    return NASNetSpace(blocks=2)\n"
    )
    url = str(home / "study.journal")
    study = study_of(url, NASNetSpace(blocks=2), trials=12, name=EVIL.replace("/", "|"))
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(home)
        patched.setattr(drawings, "MOST", 6)
        page = page_of(url, home, space="two_blocks:space")
    return study, home / "report.html", page


def test_the_page_holds_all_that_was_found(two_objectives):
    study, _, page = two_objectives
    data = data_of(page)
    assert len(page) < 2_000_000
    front = {trial.number for trial in study.best_trials}
    edge, points = (layer["data"]["values"] for layer in data["plots"][2]["spec"]["layer"])
    assert {row["trial"] for row in edge} == front
    assert {row["trial"] for row in points} == set(range(12)) - {3}
    for row in points:
        assert (row["y"], row["x"]) == tuple(study.trials[row["trial"]].values)
    titles = [plot["title"] for plot in data["plots"]]
    assert titles[:3] == ["validation accuracy by trial", "parameters by trial",
                          "validation accuracy against parameters"]  # fmt: skip
    assert "validation accuracy by epoch" in titles
    assert len(data["drawn"]) == 6
    assert {str(number) for number in front} <= set(data["drawn"])
    assert "6 of 12 trials are drawn in this page" in page
    best = min(front, key=lambda number: -study.trials[number].values[0])
    svg = gzip.decompress(base64.b64decode(data["drawn"][str(best)][0]["svg"])).decode()
    assert "normal cell" in svg
    assert "operation-1-1" in svg
    assert "Verdana" in svg
    assert data["trials"]["3"]["state"] == "failed"
    assert f"How to rebuild the best, trial {best}" in page


def test_nothing_of_a_runs_own_becomes_html_or_a_script(two_objectives):
    *_, page = two_objectives
    scripts = re.findall(r'<script type="module">.*?</script>', page, re.DOTALL)
    data = re.search(r'<script type="application/json" id="data">.*?</script>', page, re.DOTALL)[0]
    outside = page
    for script in (*scripts, data):
        outside = outside.replace(script, "")
    assert len(scripts) == 2
    assert outside.count("&lt;script&gt;window.owned") > 10  # foreign text is there, as text
    assert data.count("script\\u003ewindow.owned") > 10
    for sign in ("<script", "<img", "<b>", "onerror='"):
        assert sign not in outside
    assert data.count("<") == 2  # its own tag, before and after
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src &#39;none&#39;" in policy
    assert "script-src &#39;unsafe-eval&#39; &#39;sha256-" in policy
    assert not re.findall(r'(?:src|href)="?(?:https?:)?//', outside)


def test_one_objective_has_predictions_and_curves(tmp_path):
    url = str(tmp_path / "study.journal")
    study = study_of(url, MLPSpace(), names=("val_accuracy",), trials=24)
    page = page_of(url, tmp_path, space="mlp")
    data = data_of(page)
    told = {plot["title"]: plot for plot in data["plots"]}
    assert "Spearman" in told["Predicted against measured validation accuracy"]["note"]
    bars = told["What mattered for validation accuracy"]["spec"]["data"]["values"]
    assert {bar["decision"] for bar in bars} == {"layer/1", "layer/2", EVIL}
    curve = told["validation accuracy by epoch"]["spec"]["data"]["values"]
    best = [row for row in curve if row["line"] == f"trial {study.best_trial.number}"]
    assert [row["epoch"] for row in best] == [1, 2, 3]
    assert best[-1]["value"] == study.best_value
    assert "On the front" not in page


def test_the_command_writes_it_beside_the_other_files(command, tmp_path):
    shutil.copytree(KEPT / "runs" / "optuna", tmp_path / "kept")
    code, told, err = command("report", tmp_path / "kept", "--html")
    assert code == 0, err
    assert "report.html" in told
    page = (tmp_path / "kept" / "report" / "report.html").read_text("utf-8")
    assert data_of(page)["drawn"]
    assert re.search(r"reward: best 0\.\d{4}, median", page)
    code, told, err = command("report", tmp_path / "kept", "--json", "--html", "--out", "told")
    assert code == 0, err
    assert json.loads(told)["files"][-1] == "told/report.html"


@pytest.mark.parametrize("host", ["optuna", "nni", "keras-tuner"])
def test_a_search_of_the_command_line_says_how_to_go_on(host, tmp_path):
    page = page_of(shutil.copytree(KEPT / "runs" / host, tmp_path / "kept"), tmp_path)
    assert f"cellwright export {tmp_path}/kept --trial" in page
    assert "load_genotype" in page
    assert f"host: {host}" in page
    assert "holds no values by epoch" in page  # one epoch


def test_what_nni_was_told_on_the_way_becomes_curves(tmp_path):
    """The children of the search that is kept have one epoch; here they get a second."""
    shutil.copytree(KEPT / "runs" / "nni", tmp_path / "kept")
    [file] = (tmp_path / "kept").rglob("nni.sqlite")
    with closing(sqlite3.connect(file)) as opened, opened:
        rows = opened.execute("select * from MetricData where type = 'PERIODICAL'").fetchall()
        for *job, sequence, text in rows:
            better = {n: x / 2 for n, x in json.loads(json.loads(text)).items()}
            told = json.dumps(json.dumps(better))
            opened.execute(
                "insert into MetricData values (?, ?, ?, ?, ?, ?)", [*job, sequence + 1, told]
            )
    titles = [plot["title"] for plot in data_of(page_of(tmp_path / "kept", tmp_path))["plots"]]
    assert "validation loss by epoch" in titles
    assert "accuracy by epoch" in titles


def test_metrics_that_keras_tuner_keeps_by_step_become_curves(tmp_path):
    class Tuner(keras_tuner.Tuner):
        def run_trial(self, trial, *args, **kwargs):
            rate = trial.hyperparameters.Float("learning_rate", 1e-4, 1e-1, sampling="log")
            for step in (1, 2, 3):
                self.oracle.update_trial(trial.trial_id, {"val_loss": rate / step}, step=step)

    oracle = keras_tuner.oracles.RandomSearchOracle(
        keras_tuner.Objective("val_loss", "min"), 3, seed=1
    )
    with pytest.warns(DeprecationWarning, match="run_trial"):
        Tuner(oracle=oracle, directory=str(tmp_path), project_name="tuned").search(verbose=0)
    page = page_of(tmp_path / "tuned", tmp_path, metric="val_loss")
    told = {plot["title"]: plot for plot in data_of(page)["plots"]}
    rows = told["validation loss by epoch"]["spec"]["data"]["values"]
    assert [row["epoch"] for row in rows] == 3 * [1, 2, 3]
    assert rows[2]["value"] == oracle.get_best_trials(1)[0].score


def test_a_study_without_an_architecture_has_a_page(tmp_path):
    url = str(tmp_path / "study.journal")
    study = optuna.create_study(storage=open_storage(url), study_name="plain")

    def objective(trial):
        x = trial.suggest_float("x", -5, 5)
        trial.suggest_categorical("optimizer", ["adam", None])
        return {3: 1.7e308, 4: float("inf")}.get(trial.number, 1 + x * x)

    study.optimize(objective, n_trials=12)
    page = page_of(url, tmp_path)
    data = data_of(page)
    assert data["drawn"] == {}
    assert "2 complete trials, with no finite value" in data["plots"][0]["note"]
    assert "0 of 12 trials are drawn" in page


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    chromium, driver = next(filter(None, found), None), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("there is no chromium with its chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    opened = webdriver.Chrome(options=options, service=service)
    yield opened
    opened.quit()


def until(browser, script):
    """Wait until a script gives something that is true, and return it."""
    for _ in range(300):
        if found := browser.execute_script(f"return {script}"):
            return found
        time.sleep(0.1)
    raise AssertionError(f"never true: {script}")


def click(browser, place):
    browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", place
    )
    place.click()


def test_in_a_browser_points_draw_children_and_the_table_sorts_and_filters(two_objectives, browser):
    study, file, _ = two_objectives
    browser.get(file.as_uri())
    until(browser, "document.documentElement.dataset.ready !== undefined")
    assert browser.execute_script("return window.owned") is None
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    find = browser.find_element

    # A click on a point of the front draws its cells.
    front = find("css selector", '#front [data-plot] svg path[aria-label*="on the front"]')
    number = re.search(r"trial: (\d+)", front.get_attribute("aria-label"))[1]
    click(browser, front)
    assert until(browser, "document.getElementById('child').open")
    assert find("id", "child-title").text == f"Trial {number}"
    images = until(browser, "[...document.querySelectorAll('#child-drawings img')].map("
                            "i => i.complete && [i.naturalWidth, i.alt])")  # fmt: skip
    until(browser, "[...document.querySelectorAll('#child-drawings img')].every("
                   "i => i.complete && i.naturalWidth > 400)")  # fmt: skip
    assert len(images) == 2
    params = study.trials[int(number)].params
    assert str(params["normal/1/operation_1"]) in images[0][1]
    find("css selector", "body").send_keys("\ue00c")  # Escape
    assert not browser.execute_script("return document.getElementById('child').open")

    # The keyboard does the same from the table.
    opener = find("css selector", 'tr[data-row="5"] button')
    opener.send_keys("\ue007")  # Enter
    assert find("id", "child-title").text == "Trial 5"
    find("id", "close").click()

    # A column sorts both ways, and what is missing stays last.
    heading = find("xpath", "//th/button[.='parameters']")
    column = int(heading.get_attribute("data-column"))
    rows = "[...document.querySelectorAll('#table tbody tr')]"
    values = f"{rows}.map(row => row.cells[{column}].innerText)"
    click(browser, heading)
    up = [x.replace(",", "") for x in browser.execute_script(f"return {values}")]
    assert (up[-1], list(map(float, up[:-1]))) == ("", sorted(map(float, up[:-1])))
    click(browser, heading)
    down = [x.replace(",", "") for x in browser.execute_script(f"return {values}")]
    assert (down[-1], down[:-1]) == ("", up[-2::-1])
    assert find("css selector", "th[aria-sort]").get_attribute("aria-sort") == "descending"

    # Words, and the state, filter.
    find("id", "filter").send_keys("onerror")
    shown = f"{rows}.filter(row => !row.hidden).length"
    assert browser.execute_script(f"return {shown}") == 1
    assert find("id", "count").text == "1 of 12 trials"
    find("id", "filter").clear()
    browser.execute_script(
        "const s = document.getElementById('state'); s.value = 'complete';"
        "s.dispatchEvent(new Event('change'))"
    )
    assert find("id", "count").text == "11 of 12 trials"

    # The switch changes the theme, and the charts with it.
    ink = "getComputedStyle(document.body).color"
    before = browser.execute_script(f"return {ink}")
    click(browser, find("id", "theme"))
    assert browser.execute_script(f"return {ink}") != before
    label = "document.querySelector('#front svg .role-axis-label text').getAttribute('fill')"
    until(browser, f"{label} === getComputedStyle(document.documentElement)"
                   ".getPropertyValue('--ink').trim()")  # fmt: skip
    assert [entry["message"] for entry in browser.get_log("browser")] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_never_wider_than_the_window(width, two_objectives, browser):
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 800}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(two_objectives[1].as_uri())
    until(browser, "document.documentElement.dataset.ready !== undefined")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def luminance(colour):
    """Relative luminance, WCAG 2.2."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_and_marks_have_contrast_in_both_themes():
    style = (Path(marks.__file__).with_name("report.css")).read_text("utf-8")
    themes = re.findall(r"--page: .*?\}", style, re.DOTALL)
    assert len(themes) == 3
    for theme in themes:
        colours = dict(re.findall(r"--([\w-]+): (#\w{6})", theme))
        for background in ("page", "raised"):
            for text in ("ink", "quiet", "accent"):
                assert contrast(colours[text], colours[background]) >= 4.5, (text, theme)
        for mark in {*marks.LINES, marks.GREY, marks.ORANGE, marks.RED, marks.BLUE}:
            assert contrast(mark, colours["page"]) >= 3, (mark, theme)
