"""Public datasets by name: adding one is one short file, and one line here."""

from grapevine.data.sources import (
    amazon,
    bipartite,
    cascades,
    coat,
    graph_sets,
    movielens,
    online_retail,
    open_bandit,
    sequences,
    steam,
)
from grapevine.data.sources.base import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        movielens.ML_1M,
        movielens.ML_1M_5CORE,
        movielens.ML_1M_NCF,
        sequences.BERT4REC_BEAUTY,
        sequences.S3REC_BEAUTY,
        sequences.S3REC_TOYS,
        sequences.S3REC_SPORTS,
        bipartite.GOWALLA,
        bipartite.PINTEREST,
        bipartite.LASTFM,
        cascades.RETAILROCKET,
        cascades.TMALL_MB,
        cascades.TAOBAO_MB,
        cascades.BEIBEI_MB,
        cascades.TAOBAO_HEAD,
        amazon.MUSICAL_INSTRUMENTS,
        amazon.GIFT_CARDS,
        amazon.SUBSCRIPTION_BOXES,
        amazon.GROCERY_RECHORUS,
        online_retail.ONLINE_RETAIL,
        steam.STEAM,
        coat.COAT,
        open_bandit.MEN,
        open_bandit.WOMEN,
        graph_sets.CORA,
        graph_sets.CITESEER,
        graph_sets.AMAZON_PHOTO,
        graph_sets.COAUTHOR_CS,
        graph_sets.MUTAG,
        graph_sets.PROTEINS,
    )
}
