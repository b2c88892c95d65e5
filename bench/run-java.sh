# Builds the bench module and runs a class of it: run_java CLASS ARGUMENT…; for bench/jmh and bench/growth.
# shellcheck shell=bash

home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=../.mvn/find-java.sh
. "$home/.mvn/find-java.sh"

run_java() {
  local classpath
  quern_find_java
  quern_find_maven
  # Maven ends in an escape sequence, which is no part of the result.
  (cd "$home" && JAVA_HOME=$quern_java "$quern_maven" -B -q -pl bench -am compile dependency:build-classpath \
    -Dmdep.outputFile=target/bench-classpath -Dmdep.includeScope=runtime >&2)
  classpath=$home/bench/target/classes:$(<"$home/bench/target/bench-classpath")
  # As the launcher sets them: libgomp's and OpenBLAS's threads otherwise keep a core from Java's.
  export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} OPENBLAS_THREAD_TIMEOUT=${OPENBLAS_THREAD_TIMEOUT:-4}
  export MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-1} MALLOC_MMAP_THRESHOLD_=${MALLOC_MMAP_THRESHOLD_:-4294967295}
  export MALLOC_TRIM_THRESHOLD_=${MALLOC_TRIM_THRESHOLD_:-8589934592}
  # And the memory of the JVM likewise.
  exec "$quern_java/bin/java" "@$home/jvm.args" -XX:+UseParallelGC -XX:MaxRAMPercentage=25 -XX:NewSize=96m \
    -XX:MaxNewSize=96m "-Dquern.home=$home" -cp "$classpath" "$@"
}
