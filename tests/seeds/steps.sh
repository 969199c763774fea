# What the scripts beside this one share: steps, what a step prints, and the gateway between them. POSIX sh, sourced.
#
# Given by who runs it (tests/docs/seeds.rs): a HOME of its own; `moonrelay` first in PATH; HTTPS_PROXY, behind which
# api.moonshot.ai, api.moonshot.cn, api.kimi.com and openrouter.ai are the simulator; SIMULATOR, its own address; HOSTS,
# a file with a line for each request that a provider got; PORT, free for the gateway; REPOSITORY.
# MOONRELAY_SEEDS_NEED names programs that have to be there: a step that needs one of them is then never skipped.
# shellcheck shell=sh disable=SC2034 # the scripts read what is set here

set -eu
readonly GATEWAY="http://127.0.0.1:$PORT"
readonly CONFIGURATION="$HOME/.config/moonrelay/config.json5"
readonly SECRETS="$HOME/.config/moonrelay/env"
readonly STATE="$HOME/.local/state/moonrelay"
# Keys that the simulator takes: by how they begin, as the providers' own do.
readonly MOONSHOT=sk-simulated-moonshot-0000 KIMI=sk-kimi-simulated-0000 OPENROUTER=sk-or-v1-simulated-0000

step='before the first step' command='' out='' code=0 asserted=true steps=0 skipped=0
gateway='' reader='' journal=$HOME/gateway.log
mkdir -p "$HOME/.config/moonrelay"
trap 'gateway_ends' EXIT

# step WORDS…: what comes now. One that asserted nothing is a mistake of the script.
step() {
  $asserted || fail "nothing was asserted"
  step="$*" asserted=false steps=$((steps + 1))
  printf '%s\n' "== $step"
}

# fail WHY [EXPECTED]: ends the script with the step, what was expected of which command and what came.
fail() {
  {
    printf 'FAILED step: %s\n%s\n' "$step" "$1"
    [ $# -lt 2 ] || printf -- '--- expected\n%s\n' "$2"
    printf -- '--- got from: %s (exit %s)\n%s\n' "$command" "$code" "$out"
    [ ! -s "$journal" ] || { printf -- '--- the gateway'"'"'s log ends\n' && tail -n 15 "$journal"; }
  } >&2
  exit 1
}

# skip WHY: the rest of the step does not run here.
skip() {
  printf 'skipped: %s: %s\n' "$1" "$step" >&2
  skipped=$((skipped + 1)) asserted=true
}

# has PROGRAM: whether it is there; where it is not, the step is skipped, or fails where it has to be.
has() {
  ! command -v "$1" >/dev/null || return 0
  case " ${MOONRELAY_SEEDS_NEED:-} " in *" $1 "*) fail "there is no $1" ;; esac
  skip "no $1"
  return 1
}

# run COMMAND…: sets `out` (both outputs) and `code`.
run() {
  command=$* code=0
  out=$("$@" 2>&1 </dev/null) || code=$?
  printf '%s\n' "\$ $command"
}

# fed INPUT COMMAND…: the same, with lines on its standard input.
fed() {
  fed=$1
  shift
  command=$* code=0
  out=$(printf '%s\n' "$fed" | "$@" 2>&1) || code=$?
  printf '%s\n' "\$ $command <<< $fed"
}

# ok: it succeeded. ends CODE: it ended so.
ok() { ends 0; }
ends() {
  asserted=true
  [ "$code" = "$1" ] || fail "another exit code" "exit $1"
}

# prints TEXT…: each stands in what it printed, in this order. prints_no TEXT…: none does. is TEXT: that is all.
prints() {
  asserted=true rest=$out
  for text; do
    case $rest in
      *"$text"*) rest=${rest#*"$text"} ;;
      *) fail "it does not print that, or not in this order" "$text" ;;
    esac
  done
}
prints_no() {
  asserted=true
  for text; do
    case $out in *"$text"*) fail "it prints that" "not: $text" ;; esac
  done
}
is() {
  asserted=true
  [ "$out" = "$1" ] || fail "it prints something else" "$1"
}

# shows TEXT…: as `prints`, of JSON, whatever its white space.
shows() {
  asserted=true rest=$(printf '%s' "$out" | tr -d ' \n')
  for text; do
    text=$(printf '%s' "$text" | tr -d ' \n')
    case $rest in
      *"$text"*) rest=${rest#*"$text"} ;;
      *) fail "it does not show that, or not in this order" "$text" ;;
    esac
  done
}

# line_with TEXT…: one line of what it printed has all of them.
line_with() {
  asserted=true lines=$out
  for text; do
    lines=$(printf '%s\n' "$lines" | grep -F -e "$text") || fail "no line has all of that" "$*"
  done
}

# lines_with COUNT TEXT: so many lines of what it printed have it.
lines_with() {
  asserted=true
  found=$(printf '%s\n' "$out" | grep -c -F -e "$2") || true
  [ "$found" = "$1" ] || fail "$found lines have that" "$1 lines with: $2"
}

# block NAME [SED…]: the document's configuration, as it stands there (tests/fixtures/seeds) but for its keys.
block() {
  name=$1
  shift
  sed "$@" -e "s/sk-kimi-YOUR_API_KEY_HERE/$KIMI/; s/sk-\.\.\./$MOONSHOT/" \
    "$REPOSITORY/tests/fixtures/seeds/$name.json5" >"$CONFIGURATION"
}

# No document names a port, and this machine may have a gateway.
own_port() {
  moonrelay config set gateway.port "$PORT" >/dev/null
}

# restart: as the documents have it, which needs the systemd unit. Where none is (here), the command says what to run
# instead, and that is done: stop, start, wait until it says that it listens. `.ci/run systemd` restarts a real unit.
restart() {
  run moonrelay gateway restart
  ends 1
  prints "moonrelay gateway run"
  gateway_ends
  gateway_begins
}

gateway_begins() {
  own_port
  [ -p "$HOME/gateway.pipe" ] || mkfifo "$HOME/gateway.pipe"
  moonrelay gateway run >"$HOME/gateway.pipe" 2>&1 </dev/null &
  gateway=$!
  : >"$journal"
  exec 3<"$HOME/gateway.pipe"
  line=
  while IFS= read -r line <&3; do
    printf '%s\n' "$line" >>"$journal"
    case $line in *"listening on"*) break ;; esac
  done
  case $line in
    *"listening on $GATEWAY") ;;
    *) command='moonrelay gateway run' out=$(cat "$journal") && fail "it does not come up" "listening on $GATEWAY" ;;
  esac
  cat <&3 >>"$journal" &
  reader=$!
  exec 3<&-
}

# Once this is over, all that it logged stands in $journal.
gateway_ends() {
  [ -n "$gateway" ] || return 0
  kill "$gateway"
  wait "$gateway" "$reader" || true
  gateway=''
}

# logged: what the gateway said, once it ended.
logged() {
  gateway_ends
  command='the log of the gateway' code=0 out=$(cat "$journal")
}

# chat LINE…: what a person types, one line after the other.
chat() {
  lines=
  for line; do
    lines="$lines$line
"
  done
  fed "${lines%?}" moonrelay chat --session-id "${session:-talk}"
}

# asked_of: the last request that a provider got, as `HOST METHOD PATH`.
asked_of() {
  command='the providers' code=0 out=$(tail -n 1 "$HOSTS")
}

# sent FILTER: a value of the last prompt's body as the provider got it, by jq. Needs curl and jq.
sent() {
  command="jq '$1' of the request that the provider got" code=0
  out=$(curl -sS "$SIMULATOR/_requests" | jq -c "[.requests[] | select(.body != \"\")] | last | (.body | fromjson | $1)")
}

# sent_header NAME: the same of its headers.
sent_header() {
  command="the header $1 that the provider got" code=0
  out=$(curl -sS "$SIMULATOR/_requests" |
    jq -r --arg name "$1" '[.requests[] | select(.body != "")] | last | .headers[] | select(.[0] == $name) | .[1]')
}

# The last line of a script: who runs it looks for it.
to_the_end() {
  $asserted || fail "nothing was asserted"
  gateway_ends
  printf '%s steps, %s skipped, to its end\n' "$steps" "$skipped"
}
