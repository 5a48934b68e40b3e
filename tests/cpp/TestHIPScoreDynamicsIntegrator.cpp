#include "TestScoreDynamicsIntegrator.h"

int main(int, char* argv[]) { return integrator_tests::runIntegratorTests("HIP", argv[1]); }
