from pathlib import Path

import pytest

from harness.images import recipes
from harness.store.record import SCHEMA
from kernels import registry
from kernels.api import InputError, parse_parameters

PROJECT = Path(__file__).parents[3]


def digests(project):
    """Inputs of every image, each base standing for itself by its own inputs."""
    found = {}
    for recipe in recipes.in_order(recipes.read_table(project), list(recipes.read_table(project))):
        found[recipe.name] = recipe.inputs("registry", found.get(recipe.row.base, ""))
    return found


def changed(before, project):
    after = digests(project)
    return {name for name in before if before[name] != after[name]}


def append(path, text="\n# changed\n"):
    path.write_text(path.read_text() + text)


def test_every_kernel_has_an_image_whose_check_can_be_asked_for():
    table = recipes.read_table(PROJECT)
    # `calibrate` is measured in the images of the others
    assert set(registry.names()) - {"calibrate"} <= {recipe.row.kernel for recipe in table.values()}
    for recipe in table.values():
        assert recipe.path.exists()
        if recipe.row.kernel:
            kernel = registry.load(recipe.row.kernel)
            assert recipe.row.backends, recipe.name
            assert set(recipe.row.backends) <= set(kernel.backends)
            kernel.check(parse_parameters(kernel, recipe.row.set), 1)
            for name in recipe.row.also:
                registry.load(name).check_case(registry.load(name).reference, registry.load(name).parameters(), 1)


def test_recipes_get_exactly_the_arguments_they_ask_for():
    table = recipes.read_table(PROJECT)
    given = table["allreduce"].arguments("/images/cpu.sif", "localimage", "cpu@sha256:0")
    assert set(given) == {
        "FROM", "BASE", "NAME", "KERNEL", "VERSION", "COMMIT", "DIGEST", "RECORD_SCHEMA", "CHECK", "ALSO",
    }  # fmt: skip
    assert given["RECORD_SCHEMA"] == str(SCHEMA)
    assert set(table["mpi"].arguments("debian", "docker", "debian")) == {"BOOTSTRAP", "FROM", "BASE", "NAME"}


def test_bases_come_first_and_once():
    order = [recipe.name for recipe in recipes.in_order(recipes.read_table(PROJECT), ["allreduce", "nothing", "cpu"])]
    assert order == ["mpi", "cpu", "allreduce", "nothing"]


def test_changed_code_makes_only_kernel_images_stale(project):
    before = digests(project)
    append(project / "kernels" / "api.py")
    kernels = {name for name, recipe in recipes.read_table(project).items() if recipe.row.kernel}
    assert changed(before, project) == kernels


def test_changed_versions_make_everything_stale(project):
    before = digests(project)
    append(project / "constraints.txt")
    assert changed(before, project) == set(before)


def test_a_changed_recipe_makes_stale_what_stands_on_it(project):
    before = digests(project)
    append(project / "containers" / "gpu.def")
    assert changed(before, project) == {"gpu"}


def test_compiled_code_and_other_files_change_nothing(project):
    before = digests(project)
    (project / "kernels" / "__pycache__").mkdir(exist_ok=True)
    (project / "kernels" / "__pycache__" / "api.pyc").write_bytes(b"0")
    (project / "notes.txt").write_text("0")
    assert changed(before, project) == set()


def test_the_source_of_a_base_is_part_of_it(project):
    table = recipes.read_table(project)
    assert table["mpi"].inputs("registry", "") != table["mpi"].inputs("mirror", "")
    assert table["cpu"].inputs("registry", "1") == table["cpu"].inputs("mirror", "1")
    with pytest.raises(InputError, match=r"image cuda: stands on .* no Debian mirror has"):
        table["cuda"].inputs("mirror", "")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("[a]", "image a: needs one of base and registry, found none"),
        ('[a]\nbase = "b"', "base 'b' is no image of this table"),
        ('[a]\nbase = "a"\nkind = 1', "unknown field `kind`"),
        ('[a]\nbase = "b"\n[b]\nbase = "a"', "in a circle: a on b on a"),
    ],
)
def test_a_bad_table_gets_one_line(tmp_path, rows, message):
    (tmp_path / "containers").mkdir()
    (tmp_path / "containers" / "images.toml").write_text(rows)
    with pytest.raises(InputError, match=message) as raised:
        recipes.in_order(recipes.read_table(tmp_path), ["a"])
    assert "\n" not in str(raised.value)


def test_an_unknown_image_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"no image 'alreduce' to build; did you mean 'allreduce'\? .* mpi, "):
        recipes.in_order(recipes.read_table(PROJECT), ["alreduce"])


def test_no_checkout_is_said(tmp_path):
    with pytest.raises(InputError, match="images are built in a checkout"):
        recipes.read_table(tmp_path)
