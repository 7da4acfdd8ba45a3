"""Which search finds the best architectures: any strategy and every peer that is installed.

    python -m benchmarks.search_quality --table nb201.csv.gz --decisions 'op_*' \
        --search-on cifar10_val --report cifar10_test --out results/nb201
    python -m benchmarks.search_quality --synthetic 50x4 --evaluations 1000 --out results/50x4

Run it in the root of the checkout. Every search is kept in ``raw.jsonl`` in the folder: a second
run only does what is missing, and one from another environment, with other peers, adds to it. The
tables (``results.csv``, ``results.md``) and the picture are made from all that is there.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import records, summary
from benchmarks.contenders import NotInstalled, Plan, contender, every_name, is_ours
from benchmarks.loop import search
from benchmarks.peers import ONLY_IF_NAMED
from benchmarks.problems import Source
from benchmarks.records import Record
from benchmarks.synthetic import SyntheticSource, parse_sizes
from benchmarks.tables import TableSource

Task = tuple[str, Source, Plan]


def run(
    names: Sequence[str], source: Source, plans: Sequence[Plan], folder: Path, jobs: int
) -> None:
    """Run all searches that the folder does not hold yet, in processes of one thread each."""
    done = {record.key for record in records.read(folder)}
    tasks = [
        (name, source, plan)
        for name in names
        for plan in plans
        if (source.name, name, plan) not in done
    ]
    if tasks:
        source.load(0)  # complains here rather than in every process
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # read by the processes that are started here
    jobs = min(jobs, len(tasks))
    with multiprocessing.get_context("spawn").Pool(jobs) if jobs > 1 else nullcontext() as pool:
        results = pool.imap_unordered(_attempt, tasks) if pool else map(_attempt, tasks)
        for number, result in enumerate(results, start=1):
            typer.echo(f"{number}/{len(tasks)}  {_told(result)}", err=True)
            if isinstance(result, Record):
                records.append(folder, result)


def _attempt(task: Task) -> Record | str:
    name, source, plan = task
    try:
        return search(contender(name), source, plan)
    except Exception:  # one peer's failure must not end the others' searches
        return f"{name}, seed {plan.seed} failed:\n{traceback.format_exc()}"


def _told(result: Record | str) -> str:
    if isinstance(result, str):
        return result
    return f"{result.contender}, seed {result.plan.seed}: {result.best[-1]:.3f}"


def installed(names: Sequence[str]) -> list[str]:
    """Those of ``names`` that can run here; for the others the reason is printed."""
    found = []
    for name in names:
        try:
            contender(name)
            found.append(name)
        except NotInstalled as error:
            typer.echo(f"skipped: {error}", err=True)
    return found


def report(source: Source, evaluations: int, folder: Path) -> str:
    """Write the tables and the picture of all records that fit.

    Raises:
        ValueError: If there are none.
    """
    from benchmarks.picture import draw
    from cellwright.command_line.pictures.charts import save_figures

    found = [
        record
        for record in records.read(folder)
        if record.problem == source.name and record.plan.evaluations == evaluations
    ]
    if not found:
        raise ValueError(f"{folder} holds no search of {source.name} in {evaluations} evaluations")
    table = summary.standings(found, minimise=source.minimise)
    summary.write_csv(table, folder / "results.csv")
    shown = [point for point in records.SHOWN if point in found[0].points] or [evaluations]
    text = f"{source.name}: {source.unit}\n\n{summary.markdown(table, shown)}"
    (folder / "results.md").write_text(text)
    fewest = min(s.workers for s in table)
    title = source.name + (f", {fewest} workers" if fewest > 1 else "")
    drawn = draw([s for s in table if s.workers == fewest], title=title, unit=source.unit)
    save_figures({"best so far": drawn}, folder)
    return text


def put(text: str, page: Path, name: str) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end of name -->`` in a page.

    Raises:
        ValueError: If the page lacks these marks.
    """
    head, tail = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.read_text().partition(head)
    if not found or tail not in rest:
        raise ValueError(f"{page} holds no {head.strip()} followed by {tail}")
    page.write_text(before + head + "\n" + text + "\n" + rest[rest.index(tail) :])


def main(
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    table: Annotated[Path | None, typer.Option(help="A tabular benchmark, CSV or JSON.")] = None,
    search_on: Annotated[str, typer.Option(help="Column that a search is told.")] = "",
    report_on: Annotated[str, typer.Option("--report", help="Column that is reported.")] = "",
    decisions: Annotated[str, typer.Option(help="Columns or patterns, with commas.")] = "",
    minimise: Annotated[bool, typer.Option(help="Lower is better, in both columns.")] = False,
    missing: Annotated[str, typer.Option(help="Missing rows: refuse or fail.")] = "refuse",
    synthetic: Annotated[str, typer.Option(help="No table: decisions x choices, 20x6+30x2.")] = "",
    shares: Annotated[str, typer.Option(help="Variance of orders 1, 2, ...")] = "0.5,0.3,0.2",
    noise: Annotated[float, typer.Option(help="In sd over random architectures.")] = 0.25,
    contenders: Annotated[
        list[str] | None, typer.Option(help="A name, all, ours or peers; may be repeated.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Searches of each contender.")] = 100,
    first_seed: Annotated[int, typer.Option(min=0, help="The lowest seed.")] = 0,
    evaluations: Annotated[int, typer.Option(min=1, help="Evaluations of each search.")] = 200,
    workers: Annotated[
        list[int] | None, typer.Option(min=1, help="Simulated workers; may be repeated. [1]")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    again: Annotated[bool, typer.Option(help="Drop earlier searches of --contenders.")] = False,
    into: Annotated[
        list[Path] | None,
        typer.Option(help="Page to put the table into, at <!-- FOLDER'S NAME -->."),
    ] = None,
    redraw: Annotated[bool, typer.Option(help="Only make tables and picture.")] = False,
) -> None:
    """Run searches that are missing, and write results.csv, results.md and the picture."""
    source: Source
    if table is not None and not synthetic:
        columns = tuple(filter(None, decisions.split(",")))
        source = TableSource(table, search_on, report_on or search_on, columns, minimise, missing)
    elif synthetic and table is None:
        parts = tuple(float(share) for share in shares.split(","))
        source = SyntheticSource(parse_sizes(synthetic), parts, noise)
    else:
        raise typer.BadParameter("give one of --table and --synthetic")
    names = [] if redraw else installed(_named(contenders or ["all"]))
    chosen = range(first_seed, first_seed + seeds)
    plans = [Plan(seed, evaluations, count) for count in workers or [1] for seed in chosen]
    out.mkdir(parents=True, exist_ok=True)
    if again:
        wanted = {(source.name, name, plan) for name in names for plan in plans}
        records.forget(out, lambda record: record.key in wanted)
    run(names, source, plans, out, jobs)
    text = report(source, evaluations, out)
    for page in into or []:
        put(text.split("\n\n")[2].rstrip() + "\n", page, out.name)  # the first table
    typer.echo(text)


def _named(words: Sequence[str]) -> list[str]:
    groups = {
        "all": every_name(),
        "ours": [name for name in every_name() if is_ours(name)],
        "peers": [name for name in every_name() if not is_ours(name)],
    }
    groups = {
        group: [n for n in names if n not in ONLY_IF_NAMED] for group, names in groups.items()
    }
    return list(dict.fromkeys(name for word in words for name in groups.get(word, [word])))


if __name__ == "__main__":
    typer.run(main)
