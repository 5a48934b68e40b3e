# The device code of all these platforms as a string of C++.
set(device_code_file ${PROJECT_SOURCE_DIR}/platforms/common/src/kernels/scoreDynamics.cc)
set(device_code_source ${PROJECT_BINARY_DIR}/CommonScoreDynamicsSource.cpp)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${device_code_file})
file(READ ${device_code_file} SCOREDYN_DEVICE_CODE)
configure_file(${PROJECT_SOURCE_DIR}/platforms/common/src/CommonScoreDynamicsSource.cpp.in ${device_code_source} @ONLY)

# scoredyn_add_compute_platform(Name library source...): the plugin library of a platform with a ComputeContext, linked
# to OpenMM's own library of that platform. OpenMM has its common part in each of them, so ours is compiled into each.
function(scoredyn_add_compute_platform platform openmm_library)
    set(name OpenMMScoreDyn${platform})
    add_library(${name} SHARED
        ${PROJECT_SOURCE_DIR}/platforms/common/src/CommonScoreDynamicsKernels.cpp
        ${device_code_source}
        ${ARGN})
    target_include_directories(${name} PRIVATE include ${PROJECT_SOURCE_DIR}/platforms/common/include)
    # OpenMM's library has undefined symbols where the driver of the device is not installed.
    target_link_libraries(${name} PRIVATE OpenMMScoreDyn ${openmm_library} -Wl,--allow-shlib-undefined)
    target_compile_options(${name} PRIVATE -Wall -Wextra -Wno-unused-parameter)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}
        INSTALL_RPATH "${SCOREDYN_INSTALL_RPATH}")
    install(TARGETS ${name} LIBRARY DESTINATION ${SCOREDYN_INSTALL_DIR})
endfunction()
