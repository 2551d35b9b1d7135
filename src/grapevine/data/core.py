"""The core of a dataset: only users and items with so many events, until nothing more falls out."""

from dataclasses import replace

import numpy as np

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.errors import DataError
from grapevine.structs.jagged import offsets_of


def core(data: Dataset, *, users: int = 0, items: int = 0) -> Dataset:
    """The events whose user and item both have enough of them among those that stay.

    Papers measure on such cores ("5-core"), so figures can be compared with theirs on nothing else;
    a shop has the users and items that it has. Leaving an item out can leave a user with too few
    events, so rounds follow until none falls out (Seidman, Social Networks 1983). Items and users
    without an event go too; the tables of both lose the same lines.

    Args:
        data: any dataset.
        users: events that a user must have.
        items: events that an item must have.

    Raises:
        DataError: nothing is left.
    """
    events = data.interactions
    keep = np.ones(len(events), bool)
    of_users = events.users
    while True:
        per_user = np.bincount(of_users[keep], minlength=events.num_users)
        per_item = np.bincount(events.items[keep], minlength=events.num_items)
        stays = keep & (per_user >= users)[of_users] & (per_item >= items)[events.items]
        if stays.sum() == keep.sum():
            break
        keep = stays
    if not keep.any():
        raise DataError(
            f"no events are left of users with {users} and items with {items} events",
            hint="ask for fewer",
        )
    has_users, has_items = per_user > 0, per_item > 0
    kept = events.where(keep)
    row = np.cumsum(has_items) - 1
    items_left = data.items.keep(has_items)
    links = data.links
    if links is not None:
        known = items_left.ids
        links = links.filter(links["source_id"].is_in(known) & links["target_id"].is_in(known))
    return replace(
        data,
        users=data.users.keep(has_users),
        items=items_left,
        interactions=Interactions(
            offsets=offsets_of(per_user[has_users]),
            items=row[kept.items].astype(np.int32),
            behaviours=kept.behaviours,
            times=kept.times,
            num_items=len(items_left),
            values=kept.values,
        ),
        item_table=data.item_table.filter(has_items),
        user_table=None if data.user_table is None else data.user_table.filter(has_users),
        links=links,
        labels=None if data.labels is None else data.labels[keep],
        path=None,
    )
