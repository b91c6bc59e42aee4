from harness.store.done import attempted, finished, next_repeat
from harness.store.record import LaunchInfo, Stack
from harness.store.write import write_record


def test_finished_counts_only_good_records_of_the_same_kernel_version_and_stack(
    tmp_path, make_case, make_record, make_sweep
):
    done, failed, outdated, absent = (make_case(problem=name) for name in ("done", "failed", "outdated", "absent"))
    image = Stack(name="an image", sha256="a" * 64)
    write_record(tmp_path, make_record(done))
    write_record(tmp_path, make_record(done, repeat=2, stack=image))
    write_record(tmp_path, make_record(failed, status="failed"))
    write_record(tmp_path, make_record(outdated))
    cut = write_record(tmp_path, make_record(done, repeat=5))
    cut.write_bytes(cut.read_bytes()[:-20])
    sweep = make_sweep([done, failed, make_case(problem="outdated", kernel_version=2), absent])
    assert finished(tmp_path, sweep.name, [item.case for item in sweep.cases], "barrier").keys() == {
        (done.id, "bare", 0),
        (done.id, "a" * 12, 2),
    }


def test_finished_counts_only_records_whose_ranks_were_synchronised_as_asked(tmp_path, make_case, make_record):
    case = make_case()
    write_record(tmp_path, make_record(case))
    write_record(tmp_path, make_record(case, repeat=1, synchronisation="window"))
    assert finished(tmp_path, "trial", [case], "barrier").keys() == {(case.id, "bare", 0)}
    assert finished(tmp_path, "trial", [case], "window").keys() == {(case.id, "bare", 1)}
    window = attempted(tmp_path, "trial", [case], "window", "another job")
    assert window == {(case.id, "bare", 1)}


def test_finished_tells_the_pair_of_the_newest_record(tmp_path, make_case, make_record):
    case = make_case()
    for number, pair in enumerate(("first", "second", "")):
        launch = LaunchInfo(id=str(number), repeat=0, launcher="none", pair=pair)
        write_record(tmp_path, make_record(case, launch=launch, run_id=f"000-{number}", ended=f"2026-01-0{number + 1}"))
        assert finished(tmp_path, "trial", [case], "barrier") == {(case.id, "bare", 0): pair}


def test_next_repeat_measures_anew_what_failed(tmp_path, make_case, make_record):
    case = make_case()
    assert next_repeat(tmp_path, "trial", case.id, "bare", "barrier") == 0
    write_record(tmp_path, make_record(case, repeat=0, status="unavailable"))
    assert next_repeat(tmp_path, "trial", case.id, "bare", "barrier") == 0
    write_record(tmp_path, make_record(case, repeat=0, run_id="000-again"))
    write_record(tmp_path, make_record(case, repeat=1))
    write_record(tmp_path, make_record(case, repeat=2, status="failed"))
    assert next_repeat(tmp_path, "trial", case.id, "bare", "barrier") == 2
    assert next_repeat(tmp_path, "trial", case.id, "another", "barrier") == 0
    assert next_repeat(tmp_path, "trial", case.id, "bare", "window") == 0
