"""The parts of the finite-element reference: meshes, elements, weak forms, conditions."""
