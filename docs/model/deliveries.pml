/*
 * deliveries.pml - what is delivered on an open stream, and what a running job is
 * told, when their session is revoked (docs/live.md).  The worker, its lease and the
 * revoker are those of coherence.pml, with one worker.
 *
 * Properties (assertions):
 *   P3        no event is delivered after the revocation was answered with success
 *   -DJOB     when it is answered, a job on behalf of the session has been told, or
 *             its worker has been a member and holds no lease any more
 *
 * The moment of a delivery is the moment of its check: both are one turn of the event
 * loop.  -DRESTARTS=1: Redis restarts once, and keeps the session; with -DFENCE its
 * data may have been rolled back, and the session of an older incarnation is dead.
 *
 * Ablations, one -D each:
 *   NO_HOLD      an invalidation only asks, and holds nothing back meanwhile
 *   ACK_FIRST    it is acknowledged first and held back afterwards
 *   NO_LEASE     no look at the lease at each delivery
 *   NO_BEGIN     a stream begins as one that may be delivered to
 *   NO_STALE     the answer to an earlier question clears a later suspicion
 *   NO_MISSED    messages that were missed make nobody a suspect
 *   NO_NEWINC    nor does a new incarnation
 *   NO_ACKWAIT   the revoker waits for nobody
 *   NO_LIST      (JOB) Redis is asked before the worker is listed
 *   ACK_UNTOLD   (JOB) an end is acknowledged before the job was told
 */
#ifndef D
#define D 2
#endif
#ifndef ROUNDS
#define ROUNDS 2                /* revocations, of this session or another one */
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef WITNESS
#define WITNESS 0
#endif
/* witnesses, to be "violated": 1 an event is delivered after another session was
 * revoked  2 the revocation is answered while the stream is open and held back
 * 3 a stream that was held back goes on  4 the worker is outwaited              */
#define REACHED(k) assert(WITNESS != k)

/* ---- Redis ---- */
bool live = 1; byte sinc = 0; byte seq = 0; byte inc = 0;
bool member = 0; byte ackd = 0; bool fresh = 0; byte restarts = 0;
#ifdef FENCE
#define VALID (live && sinc == inc)
#else
#define VALID live
#endif

/* ---- worker ---- */
byte lease = 0, applied = 0, winc = 0;
byte ren = 0, age = 0, renA = 0, renI = 0, renS = 0, renR = 0;
bool leased = 0;                /* it has held a lease                         */
byte st = 0;                    /* 0 none 1 authenticated 2 open 3 ended       */
bool suspect = 0, late = 0;     /* late (ACK_FIRST): to be held back soon      */
bool ask = 0, askv = 0, stale = 0;
bool going = 0;                   /* JOB: the handler was called and not told    */
chan ps = [ROUNDS] of { byte, bool, byte };

/* ---- revoker ---- */
byte rv = 0, rn = 0, rinc = 0, wait = 0, kinc = 0, kw = 0, rounds = 0;
bool rhit = 0, M = 0, success = 0;

#ifdef NO_LEASE
#define LEASE_OK 1
#else
#define LEASE_OK (lease > 0)
#endif

#if defined(JOB) && !defined(NO_LIST)
#define LISTED (lease > 0)
#else
#define LISTED 1
#endif
#if defined(JOB) && !defined(ACK_UNTOLD)
#define TOLD (!(st == 2 && suspect))
#else
#define TOLD 1
#endif

inline doubt() {                /* becomes a suspect: earlier answers don't count */
        if
        :: st == 2 -> suspect = 1; if :: ask -> stale = 1 :: else fi
        :: else
        fi
}
inline adopt() {                /* no lease is granted before what is applied has been told */
        if :: D - age > lease && TOLD -> lease = D - age; leased = 1 :: else fi;
        ren = 0; age = 0; renA = 0; renI = 0; renS = 0; renR = 0
}

proctype Worker() {
        byte s; bool h; byte m;
        do
        /* ---- the stream or the job ---- */
        :: d_step { st == 0 && VALID -> st = 1 }
        :: d_step { st == 1 && LISTED -> st = 2;
#ifdef NO_BEGIN
                    going = 1
#else
                    suspect = 1
#endif
                  }
        :: d_step { st == 2 && suspect && !ask -> ask = 1; askv = VALID; stale = 0 }
        :: d_step { ask ->
                    if
#ifndef NO_STALE
                    :: stale                     /* asked again               */
#endif
                    :: else ->
                       if
                       :: askv -> if :: seq > 0 -> REACHED(3) :: else fi;
                                  suspect = 0; going = 1
                       :: else -> st = 3; suspect = 0; going = 0
                       fi
                    fi;
                    ask = 0; askv = 0; stale = 0 }
        :: d_step { ask -> ask = 0; askv = 0; stale = 0 }               /* lost */
#ifndef JOB
        :: d_step { st == 2 && !suspect && LEASE_OK ->
                    if :: seq > 0 -> REACHED(1) :: else fi;
                    assert(!success) }
#endif
#ifdef ACK_FIRST
        :: d_step { late -> late = 0; doubt() }
#endif
        /* ---- lease and acknowledgement ---- */
        :: d_step { ren == 0 && TOLD -> ren = 1; age = 0; renA = applied; renI = winc }
        :: d_step { ren == 2 && renR != winc ->
#ifndef NO_NEWINC
                    doubt();
#endif
                    applied = renS; winc = renR; adopt() }
        :: d_step { ren == 2 && renR == winc && applied >= renS -> adopt() }
        :: d_step { ren == 2 && renR == winc && applied < renS ->
#ifndef NO_MISSED
                    doubt();
#endif
                    applied = renS; adopt() }
        :: d_step { ren != 0 -> ren = 0; age = 0; renA = 0; renI = 0; renS = 0; renR = 0 }
        /* ---- invalidations ---- */
        :: atomic { ps?s,h,m ->
                    if
                    :: m != winc
                    :: else ->
                       if
                       :: s == applied + 1 ->
                          if
#ifdef ACK_FIRST
                          :: h -> late = 1
#else
#ifdef NO_HOLD
                          :: h -> skip
#else
                          :: h -> doubt()
#endif
#endif
                          :: else
                          fi; applied = s
                       :: s > applied + 1 ->
#ifndef NO_MISSED
                          doubt();
#endif
                          applied = s
                       :: else
                       fi
                    fi;
                    s = 0; h = 0; m = 0 }
#ifdef NO_HOLD
        /* asked about without being held back; the end comes with the answer     */
        :: d_step { st == 2 && !suspect && !VALID -> st = 3; going = 0 }
#endif
        od
}

proctype Redis() {
        do
        :: d_step { ren == 1 ->
                    if
                    :: renI == inc -> if :: renA > ackd -> ackd = renA :: else fi
                    :: else -> ackd = 0
                    fi;
                    member = 1; fresh = 1; renS = seq; renR = inc; renA = 0; renI = 0; ren = 2 }
        od
}

proctype Revoker() {
        do
        :: atomic { rv == 0 && rounds < ROUNDS && !success ->
                    if :: rhit = 1 :: rhit = 0 fi;
                    rounds++; seq++; rn = seq; rinc = inc;
                    if :: rhit -> live = 0 :: else fi;
                    if :: ps!seq,rhit,inc :: skip fi;                   /* or lost */
                    M = member; fresh = 0; rv = 1 }
        :: d_step { rv == 1 -> wait = D;
                    if :: rinc != kinc -> kinc = rinc; kw = D :: else fi;
#ifdef NO_ACKWAIT
                    wait = 0; kw = 0; M = 0;
#endif
                    rv = 2 }
        :: d_step { rv == 1 -> rv = 0; M = 0; rhit = 0; rn = 0 }        /* reply lost */
        :: d_step { rv == 2 && inc == rinc && M && ackd >= rn -> M = 0 }
        :: d_step { rv == 2 && inc != rinc -> rv = 0; M = 0; rhit = 0; rn = 0; wait = 0 }
        :: d_step { rv == 2 && kw == 0 && (wait == 0 || !M) ->
                    if
                    :: rhit -> success = 1;
                       if :: st == 2 && suspect -> REACHED(2) :: else fi;
                       if :: M -> REACHED(4) :: else fi;
#ifdef JOB
                       assert(!going || (leased && lease == 0))
#endif
                    :: else
                    fi;
                    if :: M && inc == rinc && !fresh -> member = 0; ackd = 0 :: else fi;
                    M = 0; rn = 0; rhit = 0; wait = 0; rv = 0 }
        od
}

inline down(x) { if :: x > 0 -> x-- :: else fi }
proctype Env() {
        do
        :: d_step { (wait || kw || lease || (ren && age < D)) ->
                    down(wait); down(kw); down(lease);
                    if :: ren && age < D -> age++ :: else fi }
#if RESTARTS > 0
        :: atomic { restarts < RESTARTS -> restarts++; inc++; seq = 0; member = 0; ackd = 0; fresh = 0;
#ifdef FENCE
                    if :: live = 1 :: live = 0 :: skip fi
#endif
                  }
#endif
        od
}

init { atomic { run Worker(); run Redis(); run Revoker(); run Env() } }
