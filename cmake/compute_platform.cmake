# scoredyn_add_compute_platform(Name library source...): the plugin library of a platform with a ComputeContext, linked
# to OpenMM's own library of that platform. OpenMM has its common part in each of them, so ours is compiled into each.
function(scoredyn_add_compute_platform platform openmm_library)
    set(name OpenMMScoreDyn${platform})
    add_library(${name} SHARED
        ${PROJECT_SOURCE_DIR}/platforms/common/src/CommonScoreDynamicsKernels.cpp
        ${PROJECT_SOURCE_DIR}/platforms/common/src/CommonScoreDynamicsSource.cpp
        ${ARGN})
    target_include_directories(${name} PRIVATE include ${PROJECT_SOURCE_DIR}/platforms/common/include)
    # OpenMM's library has undefined symbols where the driver of the device is not installed.
    target_link_libraries(${name} PRIVATE OpenMMScoreDyn ${openmm_library} -Wl,--allow-shlib-undefined)
    target_compile_options(${name} PRIVATE -Wall -Wextra -Wno-unused-parameter)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}
        INSTALL_RPATH "${SCOREDYN_INSTALL_RPATH}")
    install(TARGETS ${name} LIBRARY DESTINATION ${SCOREDYN_INSTALL_DIR})
endfunction()
