#include "TestScoreDynamicsIntegrator.h"

int main(int, char* argv[]) { return integrator_tests::runIntegratorTests("OpenCL", argv[1]); }
