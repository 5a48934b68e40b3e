# ask_python(VARIABLE code): run the code in the Python we build for and store what it prints.
function(ask_python variable code)
    execute_process(COMMAND ${Python_EXECUTABLE} -c "${code}" OUTPUT_VARIABLE answer ERROR_VARIABLE error
        RESULT_VARIABLE status OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "${Python_EXECUTABLE} cannot tell ${variable}: install openmm, torch and pybind11 "
            "into it and build without isolation (pip install --no-build-isolation).\n${error}")
    endif()
    set(${variable} "${answer}" PARENT_SCOPE)
endfunction()
