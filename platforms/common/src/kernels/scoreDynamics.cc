#ifdef USE_MIXED_PRECISION
#define POSITIONS GLOBAL real4* RESTRICT posq, GLOBAL real4* RESTRICT posqCorrection
#define LOAD(slot) loadPosition(posq[slot], posqCorrection[slot])
#define STORE(slot, x, y, z) storePosition(&posq[slot], &posqCorrection[slot], x, y, z)
#else
#define POSITIONS GLOBAL real4* RESTRICT posq
#define LOAD(slot) loadPosition(posq[slot], posq[slot])
#define STORE(slot, x, y, z) storePosition(&posq[slot], &posq[slot], x, y, z)
#endif

typedef struct {
    WIDE x, y, z;
} Position;

DEVICE Position loadPosition(real4 posq, real4 correction) {
    Position p;
    p.x = posq.x;
    p.y = posq.y;
    p.z = posq.z;
#ifdef USE_MIXED_PRECISION
    p.x += correction.x;
    p.y += correction.y;
    p.z += correction.z;
#endif
    return p;
}

DEVICE void storePosition(GLOBAL real4* posq, GLOBAL real4* correction, WIDE x, WIDE y, WIDE z) {
    posq->x = (real) x;
    posq->y = (real) y;
    posq->z = (real) z;
#ifdef USE_MIXED_PRECISION
    correction->x = (real) (x-(real) x);
    correction->y = (real) (y-(real) y);
    correction->z = (real) (z-(real) z);
#endif
}

// The position moved by whole boxes.
DEVICE Position moveByBoxes(Position p, WIDE a, WIDE b, WIDE c, GLOBAL const WIDE* RESTRICT box) {
    p.x = p.x+a*box[0]+b*box[3]+c*box[6];
    p.y = p.y+a*box[1]+b*box[4]+c*box[7];
    p.z = p.z+a*box[2]+b*box[5]+c*box[8];
    return p;
}

// Positions as the user sees them, in the order of the model.
KERNEL void gatherPositions(int numSlots, POSITIONS, GLOBAL const int* RESTRICT atomIndex,
        GLOBAL const int* RESTRICT modelIndex, GLOBAL const int4* RESTRICT cellOffsets,
        GLOBAL const WIDE* RESTRICT box, GLOBAL GATHERED* RESTRICT gathered) {
    for (int slot = GLOBAL_ID; slot < numSlots; slot += GLOBAL_SIZE) {
        int i = modelIndex[atomIndex[slot]];
        if (i < 0)
            continue;
        int4 offset = cellOffsets[slot];
        Position p = moveByBoxes(LOAD(slot), -offset.x, -offset.y, -offset.z, box);
        gathered[3*i] = (GATHERED) p.x;
        gathered[3*i+1] = (GATHERED) p.y;
        gathered[3*i+2] = (GATHERED) p.z;
    }
}

// Move every atom to the image nearest to the atom it was reached from; a molecule is one thread's work.
KERNEL void makeWhole(int numMolecules, GLOBAL const int* RESTRICT firstOfMolecule, GLOBAL const int2* RESTRICT walk,
        GLOBAL const WIDE* RESTRICT box, GLOBAL GATHERED* RESTRICT gathered, GLOBAL float* RESTRICT frame) {
    for (int molecule = GLOBAL_ID; molecule < numMolecules; molecule += GLOBAL_SIZE) {
        for (int w = firstOfMolecule[molecule]; w < firstOfMolecule[molecule+1]; w++) {
            int from = walk[w].x;
            int atom = walk[w].y;
            // From the last box vector to the first: in the reduced form each changes the components before it.
            for (int axis = 2; axis >= 0; axis--) {
                WIDE images = round((gathered[3*atom+axis]-gathered[3*from+axis])/box[4*axis]);
                if (images != 0)
                    for (int k = 0; k < 3; k++)
                        gathered[3*atom+k] -= images*box[3*axis+k];
            }
            for (int k = 0; k < 3; k++)
                frame[3*atom+k] = (float) gathered[3*atom+k];
        }
    }
}

// New positions, moved by as many boxes as the old ones, and the slot of every particle.
KERNEL void setPositions(int numSlots, POSITIONS, GLOBAL const int* RESTRICT atomIndex,
        GLOBAL const int* RESTRICT modelIndex, GLOBAL const int4* RESTRICT cellOffsets,
        GLOBAL const WIDE* RESTRICT box, GLOBAL const float* RESTRICT frame, GLOBAL int* RESTRICT slots) {
    for (int slot = GLOBAL_ID; slot < numSlots; slot += GLOBAL_SIZE) {
        int particle = atomIndex[slot];
        slots[particle] = slot;
        int i = modelIndex[particle];
        if (i < 0)
            continue;
        Position p;
        p.x = frame[3*i];
        p.y = frame[3*i+1];
        p.z = frame[3*i+2];
        int4 offset = cellOffsets[slot];
        p = moveByBoxes(p, offset.x, offset.y, offset.z, box);
        STORE(slot, p.x, p.y, p.z);
    }
}

DEVICE Position addDelta(Position p, mixed4 delta) {
    p.x += delta.x;
    p.y += delta.y;
    p.z += delta.z;
    return p;
}

// The length every constraint will have, and the largest coordinate in it, which limits how well it can be kept.
KERNEL void measureConstraints(int numConstraints, POSITIONS, GLOBAL const mixed4* RESTRICT delta,
        GLOBAL const int2* RESTRICT atoms, GLOBAL const int* RESTRICT slots, GLOBAL WIDE* RESTRICT measured) {
    for (int c = GLOBAL_ID; c < numConstraints; c += GLOBAL_SIZE) {
        int i = slots[atoms[c].x];
        int j = slots[atoms[c].y];
        Position p = addDelta(LOAD(i), delta[i]);
        Position q = addDelta(LOAD(j), delta[j]);
        WIDE dx = p.x-q.x, dy = p.y-q.y, dz = p.z-q.z;
        measured[2*c] = sqrt(dx*dx+dy*dy+dz*dz);
        measured[2*c+1] = fmax(fmax(fabs(p.x), fabs(p.y)), fmax(fabs(p.z), fmax(fabs(q.x), fmax(fabs(q.y), fabs(q.z)))));
    }
}

KERNEL void movePositions(int numSlots, POSITIONS, GLOBAL const mixed4* RESTRICT delta) {
    for (int slot = GLOBAL_ID; slot < numSlots; slot += GLOBAL_SIZE) {
        Position p = addDelta(LOAD(slot), delta[slot]);
        STORE(slot, p.x, p.y, p.z);
    }
}

KERNEL void setVelocities(int numSlots, GLOBAL mixed4* RESTRICT velm, GLOBAL const int* RESTRICT atomIndex,
        GLOBAL const int* RESTRICT modelIndex, GLOBAL const float* RESTRICT normals, mixed kT) {
    for (int slot = GLOBAL_ID; slot < numSlots; slot += GLOBAL_SIZE) {
        int i = modelIndex[atomIndex[slot]];
        mixed4 v = velm[slot];
        v.x = v.y = v.z = 0;
        if (i >= 0) {
            mixed speed = sqrt(kT*v.w);
            v.x = speed*normals[3*i];
            v.y = speed*normals[3*i+1];
            v.z = speed*normals[3*i+2];
        }
        velm[slot] = v;
    }
}
