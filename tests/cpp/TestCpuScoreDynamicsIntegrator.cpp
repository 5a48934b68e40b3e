#include "TestScoreDynamicsIntegrator.h"

int main() { return integrator_tests::runIntegratorTests("CPU"); }
