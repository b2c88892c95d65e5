# Functions shared by ./quern, ./check and .ci/run. Sourced by bash; defines functions and runs nothing.
#
# Each finder takes the root of the file system as its last argument; it is empty except in tests.

quern_needs_java=25

# One clear line on standard error, then the exit code for bad usage or a missing prerequisite.
quern_die() {
  printf 'quern: error: %s\n' "$1" >&2
  exit 2
}

# The native libraries are built for Linux on x86-64 with glibc, and their kernels need AVX2.
# Arguments: operating system, machine and C library as `uname` and bash name them, a cpuinfo file.
quern_check_platform() {
  local system=$1 machine=$2 ostype=$3 cpuinfo=$4 key flags
  if [ "$system" != Linux ] || [ "$machine" != x86_64 ]; then
    quern_die "this is $system on $machine; Quern runs on Linux x86-64 (on Windows, inside WSL 2)"
  fi
  case $ostype in
    *musl*) quern_die "this system's C library is musl; Quern needs glibc: use a Debian, Ubuntu, Fedora or RHEL system or image" ;;
  esac
  if [ -r "$cpuinfo" ]; then
    while IFS=: read -r key flags; do
      case $key in
        flags*)
          case " $flags " in
            *' avx2 '*) return 0 ;;
            *) quern_die "this CPU has no AVX2; Quern needs an x86-64 CPU with AVX2 (Intel since 2013, AMD since 2015)" ;;
          esac
          ;;
      esac
    done <"$cpuinfo"
  fi
}

# Prints the major version of the JDK in folder $1, from its `release` file and without running it; nothing if the
# folder holds no JDK (a JRE has no compiler and cannot build).
quern_java_major() {
  local line version
  [ -r "$1/release" ] && [ -x "$1/bin/java" ] && [ -x "$1/bin/javac" ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      JAVA_VERSION=*)
        version=${line#JAVA_VERSION=}
        version=${version//\"/}
        version=${version#1.} # 1.8.0 is Java 8
        version=${version%%[!0-9]*}
        printf '%s' "$version"
        return 0
        ;;
    esac
  done <"$1/release"
}

# Sets quern_java to the folder of a JDK that is new enough, or ends with one line that says what to install.
# The order: QUERN_JAVA_HOME (an order: if it is wrong, that is an error), JAVA_HOME, `java` on PATH, the usual
# folders, where the version Quern is tested on goes before newer ones.
quern_find_java() {
  local root=${1-} folder major newest=0 newest_at='' newer='' on_path
  if [ -n "${QUERN_JAVA_HOME-}" ]; then
    major=$(quern_java_major "$QUERN_JAVA_HOME")
    [ -n "$major" ] || quern_die "QUERN_JAVA_HOME is $QUERN_JAVA_HOME, which holds no JDK (no release file, bin/java or bin/javac): set it to the folder of a JDK $quern_needs_java"
    [ "$major" -ge "$quern_needs_java" ] || quern_die "QUERN_JAVA_HOME is $QUERN_JAVA_HOME, a JDK $major: Quern needs JDK $quern_needs_java or newer"
    quern_java=$QUERN_JAVA_HOME
    return 0
  fi
  on_path=$(command -v java 2>/dev/null) && on_path=$(readlink -f "$on_path" 2>/dev/null) && on_path=${on_path%/bin/java}
  for folder in "${JAVA_HOME-}" "${on_path-}"; do
    [ -n "$folder" ] || continue
    major=$(quern_java_major "$folder")
    [ -n "$major" ] || continue
    if [ "$major" -ge "$quern_needs_java" ]; then
      quern_java=$folder
      return 0
    fi
    if [ "$major" -gt "$newest" ]; then newest=$major newest_at=$folder; fi
  done
  for folder in "$root"/usr/lib/jvm/* "$root"/opt/* "$root"/opt/*/* "$root"/usr/java/* \
    "${HOME-}"/.sdkman/candidates/java/* "${HOME-}"/.jdks/*; do
    [ -r "$folder/release" ] || continue
    major=$(quern_java_major "$folder")
    [ -n "$major" ] || continue
    if [ "$major" -eq "$quern_needs_java" ]; then
      quern_java=$folder
      return 0
    fi
    if [ "$major" -gt "$quern_needs_java" ] && [ -z "$newer" ]; then newer=$folder; fi
    if [ "$major" -gt "$newest" ]; then newest=$major newest_at=$folder; fi
  done
  if [ -n "$newer" ]; then
    quern_java=$newer
    return 0
  fi
  local seen='none seen'
  [ "$newest" -eq 0 ] || seen="newest seen: $newest in $newest_at"
  quern_die "no JDK $quern_needs_java or newer ($seen): install one (package openjdk-25-jdk or temurin-25-jdk, or 'sdk install java 25-tem'), or set QUERN_JAVA_HOME to its folder"
}

# Sets quern_maven to the mvn command, or ends with one line that says what to install.
quern_find_maven() {
  if quern_maven=$(command -v mvn 2>/dev/null) && [ -n "$quern_maven" ]; then return 0; fi
  if [ -n "${MAVEN_HOME-}" ] && [ -x "$MAVEN_HOME/bin/mvn" ]; then
    quern_maven=$MAVEN_HOME/bin/mvn
    return 0
  fi
  quern_die "no Maven: neither mvn on PATH nor MAVEN_HOME/bin/mvn; install it (package maven, 3.8.7 or newer), or set MAVEN_HOME to its folder"
}

# Prints Maven's local repository: the one of settings.xml if it names one.
quern_local_repository() {
  local line
  if [ -r "${HOME-}/.m2/settings.xml" ]; then
    while IFS= read -r line; do
      case $line in
        *'<localRepository>'*'</localRepository>'*)
          line=${line#*<localRepository>}
          line=${line%%</localRepository>*}
          printf '%s' "${line/#'${user.home}'/$HOME}"
          return 0
          ;;
      esac
    done <"$HOME/.m2/settings.xml"
  fi
  printf '%s' "${HOME-}/.m2/repository"
}

# Prints how many MB the table $2 says are missing from local repository $1.
quern_missing_megabytes() {
  local megabytes path total=0
  while read -r megabytes path; do
    case $megabytes in '' | '#'*) continue ;; esac
    [ -e "$1/$path" ] || total=$((total + megabytes))
  done <"$2"
  printf '%s' "$total"
}
