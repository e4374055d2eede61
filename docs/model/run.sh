#!/usr/bin/env bash
# Checks the models of this folder with Spin, and fails when a result is not the expected one.
#
#   run.sh quick     every witness, every ablation but the largest (shorter leases), three exhaustive runs: half a minute
#   run.sh safe      the full protocol, exhaustively: about half an hour on one core, up to 12 GB of memory
#   run.sh witness   what must be reachable, is
#   run.sh ablate    without one of its safeguards, the protocol is refuted by a shortest counterexample
#   run.sh all       all of it
#
# The last four write one line for each run to results.txt and counterexamples to traces/.
# Needs gcc, and spin (6.5.2 was used): where there is none it is fetched with apt-get, without being installed.
# Exit code 69: neither was possible here.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mode=${1:-quick}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

unavailable() {
  echo "$1" >&2
  exit 69
}

find_spin() {
  command -v spin && return
  local cache=${SPIN_CACHE:-$here/../../node_modules/.cache/lockstep/spin}
  if [ ! -x "$cache/usr/bin/spin" ]; then
    command -v apt-get dpkg-deb >/dev/null || return 1
    mkdir -p "$work/package" "$(dirname "$cache")"
    (cd "$work/package" && { apt-get download spin || { apt-get update && apt-get download spin; }; }) >"$work/apt" 2>&1 ||
      { cat "$work/apt" >&2; return 1; }
    dpkg-deb -x "$work"/package/spin_*.deb "$work/spin" || return 1
    # Complete or not there at all, also for someone who does the same at this moment.
    mv -T "$work/spin" "$cache" 2>/dev/null || [ -x "$cache/usr/bin/spin" ] || return 1
  fi
  echo "$cache/usr/bin/spin"
}

command -v gcc >/dev/null || unavailable 'the models need gcc: apt-get install gcc libc6-dev'
spin=$(find_spin) || unavailable 'the models need spin: apt-get install spin'

optimise=-O2
[ "$mode" = quick ] && optimise=-O0

# compile MODEL "spin flags" "gcc flags"
compile() {
  (
    cd "$work" && rm -f pan* ./*.trail && cp "$here/$1.pml" . &&
      "$spin" -a $2 "$1.pml" >/dev/null && gcc $optimise -w -DSAFETY -DMEMLIM=14000 $3 -o pan pan.c
  )
}

report() {
  printf '%-46s %-10s %12s %6s %8s\n' "$@"
  [ "$mode" = quick ] || printf '%-46s %-10s %12s %6s %8s\n' "$@" >>"$here/results.txt"
}

states() { grep -oE '[0-9.e+]+ states, stored' "$work/out" | head -1 | cut -d' ' -f1; }
seconds() { echo "$((($(date +%s%N) - $1) / 100000000))" | sed 's/\(.\)$/.\1s/; s/^\./0./'; }

fail() {
  failures=$((failures + 1))
  echo "NOT AS EXPECTED: $1" >&2
}

# must_hold "what" "flags" [model]: exhaustive; any error is a failure
must_hold() {
  local begin result=SAFE
  begin=$(date +%s%N)
  if ! compile "${3:-coherence}" "$2" -DCOLLAPSE; then
    report "$1" 'NO BUILD' - - -
    fail "$1"
    return
  fi
  (cd "$work" && ./pan -m1000000 -n >out 2>&1)
  grep -q 'errors: 0' "$work/out" || result=VIOLATED
  grep -qE 'Search not completed|out of memory|max search depth too small' "$work/out" && result=INCOMPLETE
  report "$1" "$result" "$(states)" - "$(seconds "$begin")"
  [ "$result" = SAFE ] || fail "$1"
}

# must_fail "what" "flags" trace-name [model]: breadth-first; no error is a failure
must_fail() {
  local begin model=${4:-coherence} trace="$work/trace"
  begin=$(date +%s%N)
  if ! compile "$model" "$2" -DBFS; then
    report "$1" 'NO BUILD' - - -
    fail "$1"
    return
  fi
  (cd "$work" && timeout 600 ./pan -n >out 2>&1)
  if ! ls "$work"/*.trail >/dev/null 2>&1; then
    report "$1" no-error "$(states)" - "$(seconds "$begin")"
    fail "$1"
    return
  fi
  (cd "$work" && "$spin" -t $2 "$model.pml" 2>&1) |
    grep -E '^ *(W[0-9]|R |V |X |--)|assert' | sed 's/^ *//' >"$trace"
  report "$1" VIOLATED "$(states)" "$(wc -l <"$trace")" "$(seconds "$begin")"
  [ "$mode" = quick ] || { mkdir -p "$here/traces" && cp "$trace" "$here/traces/$3.txt"; }
}

wanted() { [ "$mode" = all ] || [ "$mode" = "$1" ]; }
heading() { report "$1" result states steps time; }

case $mode in quick | safe | witness | ablate) ;; all) : >"$here/results.txt" ;; *)
  echo "usage: $0 [quick|safe|witness|ablate|all]" >&2
  exit 64
  ;;
esac

if wanted safe; then
  heading 'FULL PROTOCOL (must be SAFE)'
  must_hold 'P1 2 workers, D=2, 1 revocation' '-DNW=2 -DD=2 -DROUNDS=1'
  must_hold 'P1 2 workers, requests at both, D=1, 1 rev' '-DNW=2 -DALLREQ -DD=1 -DROUNDS=1'
  must_hold 'P1 2 workers, D=1, 1 rev, 1 restart' '-DNW=2 -DD=1 -DROUNDS=1 -DRESTARTS=1'
  must_hold 'P1 2 workers, D=1, 1 rev, 1 concurrent' '-DNW=2 -DD=1 -DROUNDS=1 -DNOISE=1'
  must_hold 'P1 D=2, 2 revocations + 2 concurrent' '-DNW=1 -DD=2 -DROUNDS=2 -DNOISE=2'
  must_hold 'P1 D=2, 3 revocations' '-DNW=1 -DD=2 -DROUNDS=3'
  must_hold 'P1 D=3, 2 revocations, login' '-DNW=1 -DD=3 -DROUNDS=2 -DLOGIN'
  must_hold 'P1 D=2, 2 revocations, 1 restart' '-DNW=1 -DD=2 -DROUNDS=2 -DRESTARTS=1'
  must_hold 'P1 D=2, 1 revocation, 1 restart, login' '-DNW=1 -DD=2 -DROUNDS=1 -DRESTARTS=1 -DLOGIN'
  must_hold 'P1 D=1, 1 revocation, 2 restarts' '-DNW=1 -DD=1 -DROUNDS=1 -DRESTARTS=2'
  must_hold 'P1 D=1, 1 rev + 1 conc., 1 restart, login' '-DNW=1 -DD=1 -DROUNDS=1 -DNOISE=1 -DRESTARTS=1 -DLOGIN'
  must_hold 'P1+P2 D=2, 2 revocations' '-DNW=1 -DD=2 -DROUNDS=2 -DSTRONG'
  must_hold 'P1+P2 D=2, 1 revocation, 1 restart, login' '-DNW=1 -DD=2 -DROUNDS=1 -DRESTARTS=1 -DLOGIN -DSTRONG'
  must_hold 'failover, D=2' '-DD=2' failover
  must_hold 'failover, D=4' '-DD=4' failover
  must_hold 'failover2 1 worker, D=4' '-DNW=1 -DD=4' failover2
  must_hold 'failover2 1 worker, D=2, older files' '-DNW=1 -DD=2 -DFILES' failover2
  must_hold 'failover2 2 workers, D=1' '-DNW=2 -DD=1' failover2
  must_hold 'failover2 2 workers, D=2' '-DNW=2 -DD=2' failover2
  must_hold 'P3 D=2, 3 revocations' '-DD=2 -DROUNDS=3' deliveries
  must_hold 'P3 D=2, 3 revocations, 1 restart, fence' '-DD=2 -DROUNDS=3 -DRESTARTS=1 -DFENCE' deliveries
  must_hold 'P3 D=2, 2 revocations, 1 restart, keep' '-DD=2 -DROUNDS=2 -DRESTARTS=1' deliveries
  must_hold 'P3 jobs, D=2, 2 revocations, 1 restart' '-DD=2 -DROUNDS=2 -DRESTARTS=1 -DJOB' deliveries
  must_hold 'P3 jobs, D=2, 2 rev., 1 restart, fence' '-DD=2 -DROUNDS=2 -DRESTARTS=1 -DJOB -DFENCE' deliveries
fi

if [ "$mode" = quick ]; then
  heading 'FULL PROTOCOL (must be SAFE)'
  must_hold 'P1 D=1, 2 revocations' '-DNW=1 -DD=1 -DROUNDS=2'
  must_hold 'P1+P2 D=1, 2 revocations' '-DNW=1 -DD=1 -DROUNDS=2 -DSTRONG'
  must_hold 'failover, D=4' '-DD=4' failover
  must_hold 'failover2 1 worker, D=1' '-DNW=1 -DD=1' failover2
  must_hold 'P3 D=2, 2 revocations' '-DD=2 -DROUNDS=2' deliveries
  must_hold 'P3 D=1, 2 revocations, 1 restart, fence' '-DD=1 -DROUNDS=2 -DRESTARTS=1 -DFENCE' deliveries
  must_hold 'P3 jobs, D=2, 2 revocations' '-DD=2 -DROUNDS=2 -DJOB' deliveries
fi

if wanted witness || [ "$mode" = quick ]; then
  heading 'WITNESSES (must be VIOLATED = reachable)'
  for k in 1 2 3 4 5; do must_fail "witness $k" "-DNW=1 -DD=2 -DROUNDS=2 -DWITNESS=$k" "witness$k"; done
  for k in 1 2 3 4 5; do must_fail "failover2 witness $k" "-DNW=1 -DD=1 -DWIT=$k" "failover2-witness$k" failover2; done
  for k in 1 2 3 4; do must_fail "deliveries witness $k" "-DD=1 -DWITNESS=$k" "deliveries-witness$k" deliveries; done
fi

if wanted ablate || [ "$mode" = quick ]; then
  ticks=2
  [ "$mode" = quick ] && ticks=1
  one="-DNW=1 -DD=$ticks -DROUNDS=1"
  two="-DNW=1 -DD=$ticks -DROUNDS=2"
  heading 'ABLATIONS (must be VIOLATED)'
  must_fail 'no lease check at use' "$one -DNO_LEASE" NO_LEASE
  must_fail 'respond without acks or wait' "$one -DNO_ACKWAIT" NO_ACKWAIT
  must_fail 'write-back upserts (no CAS/tombstone)' "$one -DNO_CAS" NO_CAS
  must_fail 'login ignores user generation' "$one -DLOGIN -DNO_GEN" NO_GEN
  must_fail 'login ignores incarnation' "$one -DLOGIN -DRESTARTS=1 -DNO_LGINC" NO_LGINC
  must_fail 'fill without version check' "$one -DNO_VERCHK" NO_VERCHK
  must_fail 'sequence gap ignored' "$one -DNOISE=1 -DNO_GAPCHK" NO_GAPCHK
  must_fail 'lease renewed without comparing seq' "$one -DNO_RENEWCHK" NO_RENEWCHK
  must_fail 'lease counted from the reply' "$one -DLEASE_FROM_REPLY" LEASE_FROM_REPLY
  must_fail 'lease flag cleared by a timer' "$one -DTIMERFLAG" TIMERFLAG
  must_fail 'request joins an in-flight load' "$one -DCOALESCE" COALESCE
  must_fail 'no full wait after new incarnation' "$one -DRESTARTS=1 -DNO_INCWAIT" NO_INCWAIT
  must_fail 'incarnation called settled too early' "$one -DRESTARTS=1 -DSETTLED_EARLY" SETTLED_EARLY
  [ "$mode" = quick ] ||
    must_fail 'message incarnation ignored' '-DNW=1 -DD=1 -DROUNDS=1 -DNOISE=1 -DRESTARTS=1 -DLOGIN -DNO_INCMSG' NO_INCMSG
  must_fail 'no fence, data rolled back by restart' "$one -DRESTARTS=1 -DNO_FENCE" NO_FENCE
  must_fail 'expel without compare' "$two -DNO_EXPELCAS" NO_EXPELCAS
  must_fail 'registrations expire by Redis wall clock' "$one -DREDIS_CLOCK" REDIS_CLOCK
  must_fail 'no response gate (property P2)' "$one -DSTRONG -DNO_GATE" NO_GATE
  for rule in NO_L NO_R NO_M NO_I; do must_fail "failover: $rule" "-D$rule" "failover-$rule" failover; done
  for rule in NO_L NO_R NO_M NO_I I_EARLY NO_E E_WAITONLY; do
    must_fail "failover2: $rule" "-DNW=1 -DD=$ticks -D$rule" "failover2-$rule" failover2
  done
  must_fail 'failover2: NO_N' "-DNW=1 -DD=$ticks -DFILES -DNO_N" failover2-NO_N failover2
  must_fail 'failover2: a replica pointed back by hand' "-DNW=1 -DD=$ticks -DREPOINT" failover2-REPOINT failover2
  for rule in NO_HOLD ACK_FIRST NO_LEASE NO_BEGIN NO_STALE NO_MISSED NO_ACKWAIT; do
    must_fail "deliveries: $rule" "-DD=$ticks -D$rule" "deliveries-$rule" deliveries
  done
  must_fail 'deliveries: NO_NEWINC' "-DD=1 -DRESTARTS=1 -DNO_NEWINC" deliveries-NO_NEWINC deliveries
  for rule in NO_LIST ACK_UNTOLD; do
    must_fail "deliveries, jobs: $rule" "-DD=$ticks -DJOB -D$rule" "deliveries-$rule" deliveries
  done
fi

[ "$failures" = 0 ] || echo "$failures not as expected" >&2
exit $((failures > 0))
