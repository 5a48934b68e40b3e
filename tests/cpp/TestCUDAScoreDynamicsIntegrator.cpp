#include "TestScoreDynamicsIntegrator.h"

int main(int, char* argv[]) { return integrator_tests::runIntegratorTests("CUDA", argv[1]); }
