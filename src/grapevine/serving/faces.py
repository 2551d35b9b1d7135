"""How items are shown: title, category, price, and where the picture is."""

from typing import Any
from urllib.parse import quote

from grapevine.serving.engine import Served


class Faces:
    """What an answer says of an item beside its score.

    Args:
        served: the version whose items these are.
        pictures: whether items have pictures.
    """

    def __init__(self, served: Served, *, pictures: bool = False) -> None:
        self.catalogue, self.pictures = served.catalogue, pictures

    def of(self, item_id: Any) -> dict[str, Any]:
        """The fields of one item; an item that is not known has an ID alone."""
        name = str(item_id)
        catalogue = self.catalogue
        row = catalogue.row_of.get(name)
        if row is None:
            return {"item_id": name, "title": None, "category": None, "price": None, "image": None}
        code = catalogue.category[row]
        # The pictures are those of the dataset, which what came since is not in.
        pictured = self.pictures and row < catalogue.known
        return {
            "item_id": name,
            "title": catalogue.titles[row],
            "category": catalogue.categories[code] if code >= 0 else None,
            "price": catalogue.prices[row],
            "image": f"/v1/items/{quote(name, safe='')}/image" if pictured else None,
        }
