/*
 * failover2.pml - sessions that go on through a failover of Redis: two primaries at once, and writes that are lost.
 *
 * Three data nodes, P (the primary) and its replicas A and B; k = 1. One session, made at P before anything happens,
 * and one revocation of it, recorded at P or at A, again after a lost reply. A may be promoted at any moment while P
 * runs on and serves. B follows P until it is pointed to A: it joins by a partial resync if its log is a prefix of
 * A's, by a full one otherwise, and its data are then A's. P may die, and may be demoted to follow A. A worker sends
 * to P or to A. failover.pml has the two primaries only.
 *
 * The rules, each of which can be left out (-DNO_L ...), with the counterexample that follows:
 *   L  a lease counts only once the sync and WAIT 1 on the same connection succeeded
 *   R  a revocation is confirmed only after a WAIT 1 that covers it
 *   M  the answer of a load counts only under a lease of the same incarnation
 *   I  at a new incarnation no revocation is confirmed until D has passed since the first WAIT 1 that succeeded there
 *      (I_EARLY: since the revocation was recorded there)
 *   E  a promoted node opens with the old epoch (the sessions go on) only when k nodes have joined it by partial
 *      resync, and until then answers nothing (E_WAITONLY: when k nodes follow it, however they joined). At any time it
 *      may give up and open with a new epoch: the session is dead there
 *   N  a node that restarted counts neither as a vote nor as the one to open: its file may be older than what it
 *      acknowledged. Only processes that were known as replicas count. -DFILES lets nodes restart from an older file
 * One assumption is not a rule, and -DREPOINT breaks it: nobody points a replica back to the old primary by hand.
 *
 * Property: a request that arrived after the success of the revocation is never accepted.
 * Witnesses (-DWIT=n, must be reachable): 1 the session is accepted at A, after the failover  2 success at A, which has
 * opened with the old epoch  3 success at P although A is promoted  4 A gives up because B came by a full resync
 * 5 success at A without waiting for D, since that has passed already
 *
 * Reductions. Requests, memory and lease are explored at worker 0: nobody else reads them, and the workers are alike, so
 * a request at another one finds nothing new. Of the second worker (NW=2) only what others see is left: when it
 * registers, acknowledges, and is first answered at A. -DALLREQ lifts both. With NW=1 there is one worker; a further
 * one can only delay the revoker.
 */
#ifndef D
#define D 2
#endif
#ifndef NW
#define NW 1
#endif
#ifndef WIT
#define WIT 0
#endif
#define P 0
#define A 1
#define B 2

#if NW == 1 || !defined(ALLREQ)
#define REQW 1
#else
#define REQW NW
#endif

bool upP = 1, primP = 1, primA = 0, fB = 0;
bool has[3];                       /* the revocation is in this node's data */
bool proof = 0, fullB = 0;
byte st = 0;                       /* A: 0 pending  1 open, old epoch  2 open, new epoch */
#ifdef FILES
bool knownA = 1, knownB = 1;       /* the process is the one that was known as a replica */
#else
#define knownA 1
#define knownB 1
#endif

byte conn[NW];                     /* where the worker sends */
byte winc[NW];                     /* incarnation it has taken up: P or A */
bool ap[NW];                       /* has applied the revocation, in winc */
byte ren[NW];                      /* renewal: 1 sent  2 executed  3 confirmed by WAIT */
byte rinc[NW]; bool rs[NW], rrep[NW];
bool memP[NW], memA[NW];           /* member at P, at A */
bool ackd[NW];                     /* acknowledged at the node where the revocation was recorded last */
bool l1[REQW];                     /* holds the session in memory */
byte lease[REQW], age[REQW];

bool success = 0;
byte rv = 0, rvN = 0, wait = 0;
bool M[NW];
bool firstA = 0; byte sinceA = 0;  /* a WAIT succeeded at A; what is left of D since */

#define serves(n) ((n == P && upP && primP) || (n == A && primA))
#define open(n)   (n == P || st != 0)
#define valid(n)  (!has[n] && (n == P || st == 1))
/* some node that follows n at this moment holds everything that n held when h was read */
#define acked(n,h) ((n == P && upP && primP && ((!primA && (has[A] || !h)) || (!fB && (has[B] || !h)))) || \
                    (n == A && primA && ((fB && (has[B] || !h)) || (upP && !primP && (has[P] || !h)))))
#define confirmedAt(n) if :: n == A && !firstA -> firstA = 1; sinceA = D :: else fi
#define acknowledges(w,n) if :: winc[w] == n && ap[w] && rvN == n && rv > 0 && rv < 3 -> ackd[w] = 1 :: else fi
#define takesUp(w,n) if :: winc[w] != n -> winc[w] = n; ap[w] = has[n] :: else -> ap[w] = ap[w] || has[n] fi
#define forget(w) ren[w] = 0; rs[w] = 0; rrep[w] = 0; rinc[w] = 0

/* The request, the memory and the lease of worker w. */
proctype Q(byte w) {
        byte q = 0; bool late = 0, ldv = 0; byte ldi = 0;
        do
        :: d_step { q == 0 -> q = 1; late = success;
                    printf("W%d request arrives (after the success: %d)\n", w, success) }
        :: d_step { q == 1 && lease[w] > 0 && l1[w] ->
                    printf("W%d ACCEPT from memory (late %d)\n", w, late); assert(!late);
#if WIT == 1
                    assert(winc[w] != A);
#endif
                    q = 0; late = 0 }
        :: d_step { q == 1 && !(lease[w] > 0 && l1[w]) && serves(conn[w]) && open(conn[w]) ->
                    ldv = valid(conn[w]); ldi = conn[w]; q = 2;
                    printf("W%d load at node %d: valid %d\n", w, ldi, ldv) }
        :: d_step { q == 2 ->
                    if
#ifdef NO_M
                    :: ldv -> printf("W%d ACCEPT from a load (late %d)\n", w, late); assert(!late)
#else
                    :: ldv && lease[w] > 0 && winc[w] == ldi ->
                       printf("W%d ACCEPT from a load (late %d)\n", w, late); assert(!late);
                       if :: !ap[w] -> l1[w] = 1 :: else fi
#endif
                    :: else
                    fi; q = 0; late = 0; ldv = 0; ldi = 0 }
        od
}

proctype W(byte w) {
        do
        :: d_step { ren[w] == 0 && serves(1 - conn[w]) -> conn[w] = 1 - conn[w];
                    printf("W%d goes to node %d\n", w, conn[w]) }
        /* the message arrives */
        :: d_step { has[winc[w]] && !ap[w] -> ap[w] = 1; l1[w] = 0; printf("W%d message\n", w) }
        :: d_step { ren[w] == 0 -> ren[w] = 1; rrep[w] = ap[w]; age[w] = 0 }
        :: d_step { ren[w] == 1 && serves(conn[w]) && open(conn[w]) ->
                    ren[w] = 2; rinc[w] = conn[w]; rs[w] = has[conn[w]];
                    printf("W%d sync executes at node %d (revoked there %d)\n", w, rinc[w], rs[w]);
                    if :: rinc[w] == P -> memP[w] = 1 :: else -> memA[w] = 1 fi;
                    if :: rinc[w] == winc[w] && rrep[w] && rvN == rinc[w] && rv > 0 && rv < 3 -> ackd[w] = 1
                    :: else fi }
#ifdef NO_L
        :: d_step { ren[w] == 2 -> ren[w] = 3 }
#else
        :: d_step { ren[w] == 2 && acked(rinc[w], rs[w]) -> ren[w] = 3; confirmedAt(rinc[w]);
                    printf("W%d WAIT at node %d\n", w, rinc[w]) }
#endif
        :: d_step { ren[w] == 3 -> printf("W%d reply of the sync\n", w);
                    if
                    :: rinc[w] != winc[w] -> winc[w] = rinc[w]; ap[w] = rs[w]; l1[w] = 0;
                       lease[w] = D - age[w]
                    :: rinc[w] == winc[w] && !ap[w] && rs[w] -> ap[w] = 1;
                       l1[w] = 0
                    :: else -> if :: D - age[w] > lease[w] -> lease[w] = D - age[w] :: else fi
                    fi; forget(w); age[w] = 0 }
        :: d_step { ren[w] != 0 -> forget(w); age[w] = 0 }
        od
}

#if NW == 2 && !defined(ALLREQ)
/*
 * A worker that nobody asks. What is left of it does more than a real one can, so nothing is overlooked: its syncs are
 * answered at once, are taken up or lost, and are confirmed whenever some node follows. After the success nobody waits
 * for it any more.
 */
proctype O(byte w) {
        do
        :: d_step { rv < 3 && has[winc[w]] && !ap[w] -> ap[w] = 1; printf("W%d message\n", w) }
        :: d_step { rv < 3 && serves(P) -> memP[w] = 1; acknowledges(w, P) }
        :: d_step { rv < 3 && serves(A) && open(A) -> memA[w] = 1; acknowledges(w, A) }
        :: d_step { rv < 3 && serves(P) -> takesUp(w, P) }
        :: d_step { rv < 3 && serves(A) && open(A) -> takesUp(w, A) }
        :: d_step { rv < 3 && primA && open(A) && acked(A, 0) -> confirmedAt(A) }
        od
}
#endif

#if NW == 2
#define someMissing ((M[0] && !ackd[0]) || (M[1] && !ackd[1]))
#define members(x)  M[0] = x[0]; M[1] = x[1]; ackd[0] = 0; ackd[1] = 0
#define nobody      M[0] = 0; M[1] = 0; ackd[0] = 0; ackd[1] = 0
#else
#define someMissing (M[0] && !ackd[0])
#define members(x)  M[0] = x[0]; ackd[0] = 0
#define nobody      M[0] = 0; ackd[0] = 0
#endif

#if defined(NO_I)
#define settled(n) 1
#elif defined(I_EARLY)
#define settled(n) (n == P || wait == 0)
#else
#define settled(n) (n == P || (firstA && sinceA == 0))
#endif

proctype V() {
        do
        :: d_step { rv == 0 && serves(P) -> rvN = P; has[P] = 1; members(memP); wait = D; rv = 1;
                    printf("V revokes at P\n") }
        :: d_step { rv == 0 && serves(A) && open(A) -> rvN = A; has[A] = 1; members(memA);
                    wait = D; rv = 1; printf("V revokes at A\n") }
        /* the reply was lost, or another incarnation seen: record it again */
        :: d_step { rv == 1 || rv == 2 -> rv = 0; rvN = 0; wait = 0; nobody; printf("V will ask again\n") }
#ifdef NO_R
        :: d_step { rv == 1 -> rv = 2 }
#else
        :: d_step { rv == 1 && acked(rvN, 1) -> rv = 2; confirmedAt(rvN); printf("V WAIT at node %d\n", rvN) }
#endif
        :: d_step { rv == 2 && settled(rvN) && (wait == 0 || !someMissing) -> success = 1; rv = 3; nobody;
                    printf("V SUCCESS\n");
#if WIT == 2
                    assert(!(rvN == A && st == 1));
#endif
#if WIT == 3
                    assert(!(rvN == P && primA));
#endif
#if WIT == 5
                    assert(!(rvN == A && wait > 0));
#endif
                    skip }
        :: rv == 3 -> break
        od
}

proctype Env() {
        do
        :: d_step { !primA -> primA = 1; printf("R A is promoted (revoked there %d)\n", has[A]) }
        :: d_step { upP -> upP = 0; printf("R P dies\n") }
        /* B is pointed to A */
        :: d_step { primA && !fB -> fB = 1; printf("R B is pointed to A (revoked: B %d, A %d)\n", has[B], has[A]);
                    if
                    :: has[B] && !has[A] -> has[B] = 0; fullB = 1
                    :: else -> if :: knownB && knownA -> proof = 1 :: else fi
                    fi }
        /* P is demoted */
        :: d_step { primA && upP && primP -> primP = 0;
                    printf("R P is demoted (revoked: P %d, A %d)\n", has[P], has[A]);
                    if
                    :: has[P] && !has[A] -> has[P] = 0
                    :: else -> if :: knownA -> proof = 1 :: else fi
                    fi }
        /* replication */
        :: d_step { upP && primP && !primA && has[P] && !has[A] -> has[A] = 1; printf("R P to A\n") }
        :: d_step { upP && primP && !fB && has[P] && !has[B] -> has[B] = 1; printf("R P to B\n") }
        :: d_step { primA && fB && has[A] && !has[B] -> has[B] = 1; printf("R A to B\n") }
        :: d_step { primA && upP && !primP && has[A] && !has[P] -> has[P] = 1; printf("R A to P\n") }
        /* A opens */
#if defined(NO_E)
        :: d_step { primA && st == 0 -> st = 1; printf("R A opens with the old epoch\n") }
#elif defined(E_WAITONLY)
        :: d_step { primA && st == 0 && (fB || (upP && !primP)) -> st = 1; printf("R A opens with the old epoch\n") }
#else
        :: d_step { primA && st == 0 && proof -> st = 1; printf("R A opens with the old epoch\n") }
#endif
        :: d_step { primA && st == 0 -> st = 2; printf("R A opens with a new epoch\n");
#if WIT == 4
                    assert(!fullB);
#endif
                    skip }
#ifdef FILES
        /* a replica restarts from an older file, and goes on from there */
        :: d_step { !fB && has[B] -> has[B] = 0; printf("R B restarts from an older file\n");
#ifndef NO_N
                    knownB = 0;
#endif
                    skip }
        :: d_step { !primA && has[A] -> has[A] = 0; printf("R A restarts from an older file\n");
#ifndef NO_N
                    knownA = 0;
#endif
                    skip }
        /* the primary has seen the new processes, and this has reached A: so has all that was before it */
        :: d_step { upP && primP && !primA && has[A] == has[P] -> knownA = 1 }
        :: d_step { upP && primP && !primA && !fB && has[A] == has[P] -> knownB = 1 }
#endif
#ifdef REPOINT
        /* somebody points B back to P */
        :: d_step { fB && upP && primP -> fB = 0; has[B] = has[P];
                    printf("R B is pointed back to P\n") }
#endif
        /* time */
#if REQW == 2
        :: d_step { (lease[0] || lease[1] || wait || sinceA || (ren[0] && age[0] < D) || (ren[1] && age[1] < D)) ->
                    if :: lease[1] > 0 -> lease[1]-- :: else fi;
                    if :: ren[1] && age[1] < D -> age[1]++ :: else fi;
#else
        :: d_step { (lease[0] || wait || sinceA || (ren[0] && age[0] < D)) ->
#endif
                    printf("-- tick\n");
                    if :: lease[0] > 0 -> lease[0]-- :: else fi;
                    if :: ren[0] && age[0] < D -> age[0]++ :: else fi;
                    if :: sinceA > 0 -> sinceA-- :: else fi;
                    if :: wait > 0 -> wait-- :: else fi }
        od
}

init { atomic {
        byte i = 0;
        do
        :: i < NW -> memP[i] = 1; i++
        :: else -> break
        od; i = 0;
        do
        :: i < REQW -> l1[i] = 1; i++
        :: else -> break
        od; i = 0;
        run W(0); run Q(0);
#if NW == 2 && defined(ALLREQ)
        run W(1); run Q(1);
#elif NW == 2
        run O(1);
#endif
        run V(); run Env()
} }
