"""The parameters of kernel ``input_pipeline``, and the data set that they ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kernels.api import InputError, Parameters, divide
from kernels.data.dataset import Dataset, open_dataset
from kernels.data.manifest import Form
from kernels.data.records import default_folder, ensure_dataset
from kernels.data.share import Cache
from kernels.data.transcription import ensure_text, text_folder
from kernels.declaring import check_at_most, check_shares


class InputPipelineParameters(Parameters, frozen=True):
    """The data set, how it is cut into batches, and how it is read."""

    records: Annotated[int, Meta(ge=1, description="records of an epoch, over all ranks")] = 4096
    shards: Annotated[int, Meta(ge=1, description="files that hold them; ranks read disjoint ones")] = 16
    form: Annotated[Form, Meta(description="how the shards are written; most backends read binary ones only")] = (
        "binary"
    )
    batch: Annotated[int, Meta(ge=1, description="records in a batch of one rank")] = 1024
    reader_threads: Annotated[
        int, Meta(ge=1, le=64, description="reader threads of a rank; worker processes that dataloader tries")
    ] = 2
    prefetch_batches: Annotated[int, Meta(ge=0, le=64, description="batches made ahead of the consumer")] = 4
    cache: Annotated[
        Cache, Meta(description="where normalised records are kept after they were read once, for backends that can")
    ] = "none"
    page_cache: Annotated[
        Literal["cold", "warm"], Meta(description="cold: the files' pages are dropped before every epoch, untimed")
    ] = "warm"
    fed_steps: Annotated[
        int, Meta(ge=0, description="training steps fed with batches, untimed, for the figure stall; 0: none")
    ] = 0
    seed: Annotated[int, Meta(ge=0, description="seed of the generated data set and of the shuffling")] = 0
    dataset: Annotated[str, Meta(description="folder of a data set; empty: generated on first use")] = ""


def find_dataset(parameters: InputPipelineParameters, comm: Any) -> Path:
    """The folder to read; rank 0 generates the default one while the others wait, and all raise its `InputError`."""
    if parameters.dataset:
        return Path(parameters.dataset)
    found: Path | InputError | None = None
    if comm.rank == 0:
        try:
            found = ensure_dataset(parameters.records, parameters.shards, parameters.seed)
            if parameters.form == "text":
                found = ensure_text(found)
        except InputError as error:
            found = error
    found = comm.bcast(found)
    if isinstance(found, InputError):
        raise found
    return found


def grow(parameters: InputPipelineParameters, ranks: int) -> InputPipelineParameters:
    """The problem of ``ranks`` ranks from that of one."""
    return msgspec.structs.replace(parameters, records=parameters.records * ranks, shards=parameters.shards * ranks)


def check(parameters: InputPipelineParameters, ranks: int) -> None:
    """Raise `InputError` for what cannot be divided over the ranks, and for data sets that are damaged or others."""
    check_shares("input_pipeline", "shards", parameters, ranks)
    check_at_most("input_pipeline", "shards", "records", parameters)
    shards = range(parameters.shards)
    shard_records = [len(divide(parameters.records, parameters.shards, shard)) for shard in shards]
    if parameters.dataset:
        dataset = open_dataset(Path(parameters.dataset))
        _check_agreement(parameters, dataset)
        shard_records = dataset.shard_records
    smallest = min(sum(shard_records[shard] for shard in divide(len(shards), ranks, rank)) for rank in range(ranks))
    if parameters.batch > smallest:
        # such a rank would have no whole batch
        raise InputError(
            f"kernel input_pipeline: parameter batch: found {parameters.batch}, and the smallest share of {ranks} "
            f"ranks has {smallest} records; right would be at most {smallest}"
        )
    if not parameters.dataset:
        folder = default_folder(parameters.records, parameters.shards, parameters.seed)
        for present in (folder, text_folder(folder)):
            if present.exists():
                open_dataset(present)


def _check_agreement(parameters: InputPipelineParameters, dataset: Dataset) -> None:
    found = (dataset.records, len(dataset.shard_paths), dataset.form)
    if found != (parameters.records, parameters.shards, parameters.form):
        raise InputError(
            f"data set {dataset.folder}: holds {found[0]} records in {found[1]} {found[2]} shards, asked for were "
            f"{parameters.records} in {parameters.shards} {parameters.form}; "
            f"set records={found[0]}, shards={found[1]} and form={found[2]}"
        )
