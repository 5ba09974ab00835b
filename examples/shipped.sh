#!/usr/bin/env bash
# Everything from the data to the shipped model: pictures, a body trained on all labels at once, training, figures, export.
#   examples/shipped.sh DATA WEIGHTS        DATA: catalogue/, clothing-dataset/, out_of_scope/, scraped/, street/
#                                           WEIGHTS: a .safetensors file for resnet34, or imagenet
# What is done already is not done again; after an interrupt, start it again.
set -euo pipefail
data=$(realpath "$1") weights=$2
cd "$(dirname "$0")/.."
[ -f "$weights" ] && weights=$(realpath "$weights")
app() { clothing-classifier "$@"; }

tables() { # of all sources
  app collect --settings "$1" --folder "$data/scraped"
  app collect --settings "$1" --csv "$data/clothing-dataset/images.csv"
  app collect --settings "$1" --csv "$data/catalogue/products.csv" --columns id,articleType,name
  app collect --settings "$1" --csv "$data/catalogue/thumbnails.csv" --images "$data/catalogue/thumbnails" \
    --columns id,articleType,name
  app collect --settings "$1" --masks "$data/street"
}

tables examples/shipped.ini
app collect --settings examples/shipped.ini --csv examples/jeans.csv --images "$data/clothing-dataset/images"
app collect --settings examples/shipped.ini --unknown "$data/out_of_scope/train"
mkdir -p data/ten && cp "$data/clothing-dataset/splits.csv" data/ten/
app collect --settings examples/ten.ini --csv data/ten/splits.csv --images "$data/clothing-dataset/images"

body=data/garments/body.safetensors
if [ ! -f $body ]; then
  tables examples/garments.ini
  app train --settings examples/garments.ini --weights "$weights" --body $body \
    --apart-from examples/shipped.ini --apart-from examples/ten.ini \
    --also "$data/catalogue/products.csv" --also-columns id,gender,baseColour
fi

app train --settings examples/shipped.ini --weights $body
app evaluate --settings examples/shipped.ini --weights "$weights" --elsewhere --fine-tune --conditions
app report --settings examples/shipped.ini --weights $body --unknown-held "$data/out_of_scope/held" --replace
