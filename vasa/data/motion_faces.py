"""From a motion set back to the pictures and sound that it was made from."""

import json

from vasa.data.clip_store import ClipStore
from vasa.data.remote import ShardRoot, open_shards
from vasa.data.shards import index_hash, read_index
from vasa.data.stored_clip import StoredClip
from vasa.types import InputError


def face_of(root: ShardRoot, key: str) -> StoredClip:
    """The face clip of a motion clip, from the set that `vasa encode` noted.

    Args:
        root: the motion set.
        key: of the clip.

    Raises:
        InputError: the face shards are not where they were, or are others by now.
    """
    try:
        noted = json.loads(root.read_file("done.json"))
        place, wanted = noted["config"]["data"], noted["made_from"]["data"]
        faces = open_shards(place)
        found = index_hash(faces)
    except (FileNotFoundError, NotADirectoryError, KeyError, ValueError) as error:
        raise InputError(
            f"expected the face shards that {root} was made from, to show it with its sound, found "
            f"none ({error}); clips are left out"
        ) from error
    if found != wanted:
        raise InputError(
            f"expected face shards with the index {wanted[:8]} at {place}, {root} was made from "
            f"them; found {found[:8]}; clips are left out"
        )
    table = read_index(faces)
    row = table[table["key"] == key]
    if row.empty:
        raise InputError(f"expected the clip {key} in {place}, found none; clips are left out")
    store = ClipStore(faces, split=str(row["split"].iloc[0]), cache_gb=0)
    place_in_split = store.table.index[store.table["key"] == key][0]
    return store[int(place_in_split)]
