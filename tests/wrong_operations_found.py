"""By which check each wrong operation is to be found, and what is said of it.

Names by patterns of "check: type of error: message". The first that finds it says most about it, so it matters which.
"""

WRONG_VALUES = r"\d+ of \d+ values are wrong"

BY_PATTERN = {
    # vmap against the loop: which leaves are mapped, axes, sizes, dtypes, structure, levels.
    rf"check_vmap: AssertionError: vmap\(op, \(0,\)\): {WRONG_VALUES}.*, not -?\d": [
        "vmap: drops a static parameter",
        "vmap: keeps to the default of a parameter",
        "vmap: drops a parameter left at its default",
        "vmap: sums over the axis before",
        "vmap: counts a negative axis from the front",
        "vmap: puts the batch last",
        "vmap: sums over the batch",
        "vmap: turns the batch round",
        "vmap: takes the first example for all",
        "vmap: normalises over the batch",
        "vmap: sums over the batch where all axes are summed over",
        "vmap: counts several axes from the front of the batch",
        "vmap: takes all axes for the last",
        "kind: is not elementwise",
        "kind: runs along an axis that is the batch",
    ],
    rf"check_vmap: AssertionError: vmap\(op, \(0,\)\): {WRONG_VALUES}.*: nan, not": [
        "vmap: shares a maximum among the examples",
        "vmap: lets a NaN out of its example",
    ],
    rf"check_vmap: AssertionError: vmap\(op, \(1,\)\): {WRONG_VALUES}": ["vmap: reads memory as if it were contiguous"],
    rf"check_vmap: AssertionError: vmap\(op, \(1, None\)\): {WRONG_VALUES}": [
        "vmap: reads memory as if it were contiguous, of one argument alone"
    ],
    r"check_vmap: AssertionError: vmap\(op, \(0,\)\), called again,: result 0 shares memory with the earlier": [
        "vmap: returns a table that it keeps"
    ],
    r"check_grads: AssertionError: the tangent of op: is f32\[2,3\], not f64\[2,3\]": [
        "other: has a tangent of another dtype"
    ],
    r"check_grads: AssertionError: the tangent of op: is f64\[1,3\], not f64\[2,3\]": [
        "other: has a tangent of another shape"
    ],
    r"check_grads: AssertionError: a cotangent of op: is f32\[3\], not f64\[3\]": [
        "other: has a cotangent of another dtype"
    ],
    rf"check_vmap: AssertionError: vmap\(op, \(0, None\)\): {WRONG_VALUES}": [
        "vmap: takes every argument for mapped",
        "vmap: takes what is as long as the batch for mapped",
    ],
    rf"check_vmap: AssertionError: vmap\(op, \(0, 0\)\): {WRONG_VALUES}": [
        "vmap: takes the vector of the first example",
        "vmap: takes the indices of the first example",
    ],
    rf"check_vmap: AssertionError: vmap\(op, \(None, 0, None, 0, None, None\)\): {WRONG_VALUES}": [
        "vmap: is wrong for two of six arguments"
    ],
    r"check_vmap: ConcretizationError: np.asarray": ["vmap: makes an array of what it does not map"],
    rf"check_vmap: AssertionError: vmap\(op, \(0,\)\)( of vmap\(op, \(0,\)\)){{2}}: ({WRONG_VALUES}|is )": [
        "other: knows two vmaps alone"
    ],
    r"check_vmap: AssertionError: vmap\(op, \(0,\)\): is f64\[3\], not f64\[3,1\]": ["vmap: drops axes of length one"],
    r"check_vmap: AssertionError: vmap\(op, \(0,\)\): is f64\[3\], not f64\[3,3\]": ["vmap: returns no batch"],
    r"check_vmap: AssertionError: vmap\(op, \(0,\)\): is f32\[3,3\], not f64\[3,3\]": ["vmap: rounds to another dtype"],
    r"check_vmap: AssertionError: vmap\(op, \(0,\)\): is f64\[3,3\], not f32\[3,3\]": [
        "vmap: returns one dtype for all"
    ],
    r"check_vmap: ShapeError: .* every result must have the batch, of 1, on axis 0": ["vmap: squeezes a batch of one"],
    r"check_vmap: ValueError: need at least one array to stack": [
        "vmap: fails on no examples",
        "vmap: knows a batch of none in front alone",
    ],
    r"check_vmap: AssertionError: vmap\(op, \(0,\)\) of an empty batch: is f64\[0,0\], not f64\[0,3\]": [
        "vmap: has another shape for no examples"
    ],
    r"check_vmap: ValueError: output array is read-only": [
        "vmap: writes to a mapped argument",
        "vmap: writes to an argument that is not mapped",
    ],
    rf"check_vmap: AssertionError: vmap\(op, \(0,\)\) of vmap\(op, \(0,\)\): {WRONG_VALUES}": [
        "vmap: is right for plain arrays alone"
    ],
    r"check_vmap: ValueError: operands could not be broadcast together": [
        "vmap: takes the first argument for mapped",
        "vmap: takes the second argument for unmapped",
        "vmap: makes no room for the axes of the other",
        "vmap: makes no room where arguments broadcast",
    ],
    rf"check_vmap: AssertionError: vmap\(op, \(0,\)\)\['double'\]: {WRONG_VALUES}": ["vmap: swaps its results"],
    r"check_vmap: StructureError: op: returned the structure": [
        "vmap: returns another structure",
        "vmap: returns a result too few",
    ],
    r"check_vmap: AssertionError: vmap\(op, \(0, None\)\)\[1\]: is f64\[3\], not f64\[3,3\]": [
        "vmap: gives no batch to what is not mapped"
    ],
    r"check_vmap: AssertionError: vmap\(op, \(0,\)\), called again, wrote to its earlier result": [
        "vmap: returns a buffer that it keeps"
    ],
    rf"check_vmap: AssertionError: vmap\(op, \(0,\)\), called again,: {WRONG_VALUES}": [
        "vmap: remembers the first batch of a shape"
    ],
    r"check_vmap: AssertionError: .*: result 0 shares memory with argument 0, but for one example it does not": [
        "other: returns the batch it got"
    ],
    r"check_vmap: ShapeError: op: as gufunc, on a batch, it returned f64\[\]": ["kind: is no gufunc"],
    r"check_vmap: ShapeError: op: as reduction, on a batch, it returned f64\[2,3\]": ["kind: reduces axis 0 alone"],
    r"check_vmap: ShapeError: op: a result is .*; its declared shape is \(3, 3\) with \(3,\) in front": [
        "other: does not take leading axes"
    ],
    # The function on plain arrays.
    r"check_op: AssertionError: op, called again, wrote to its earlier result f64\[2,3\]": [
        "eval: returns a buffer that it keeps"
    ],
    rf"check_op: AssertionError: op, called again with the same arguments: {WRONG_VALUES}": [
        "eval: returns another value each time"
    ],
    rf"check_op: AssertionError: op of strided arrays: {WRONG_VALUES}": ["eval: reads memory as if it were contiguous"],
    rf"check_op: AssertionError: op of Fortran-ordered arrays: {WRONG_VALUES}": [
        "eval: takes Fortran order for C order"
    ],
    r"check_op: ValueError: output array is read-only": [
        "eval: writes to the argument for a while",
        "eval: writes to the argument",
    ],
    rf"check_dtypes: AssertionError: the result of op of float32: {WRONG_VALUES}": ["eval: is wrong for float32"],
    r"check_op: ShapeError: op: a result is f64\[3,3\]; its declared shape is \(3,\)": [
        "other: declares another result"
    ],
    r"check_op: AssertionError: op: result 0 shares memory with argument 0": [
        "other: returns its argument",
        "other: returns a view of its argument",
    ],
    r"check_op: AssertionError: op: result 1 shares memory with result 0": ["other: returns results that share memory"],
    # Forward mode against differences.
    rf"check_grads: AssertionError: the tangent of op: {WRONG_VALUES}": [
        "kind: has the slope of a sum for that of a mean",
        "kind: is affine, not linear",
        "kind: is not bilinear",
        "kind: has a slope, and says it has none",
        "kind: has a slope by what is said to have none",
        "vjp: transposes a weight",
        "vjp: forgets a leaf",
        "vjp: takes each index for the first",
        "vjp: forgets that an index may come twice",
        "vjp: is right for the default of an integer",
        "vjp: divides by the number of elements",
        "jvp: is half of the vjp",
        "jvp: is absent",
        "jvp: sees the first argument move alone",
        "jvp: drops a static parameter",
        "jvp: has the wrong conjugate",
        "jvp: swaps the tangents of its results",
        "jvp: is alone, and wrong",
    ],
    rf"check_grads: AssertionError: the tangent of op: {WRONG_VALUES}; at \(0, 0\): \(-?[\d.]+[+-][\d.]+j\), not": [
        "vjp: is right for real numbers alone"
    ],
    rf"check_grads: AssertionError: the tangent of the jvp of op: {WRONG_VALUES}": ["jvp: holds still at first order"],
    rf"check_grads: AssertionError: the tangent of op by parts with zeros in them, summed,: {WRONG_VALUES}": [
        "jvp: divides by a tangent"
    ],
    rf"check_grads: AssertionError: the tangents of op by each argument alone, summed,: {WRONG_VALUES}": [
        "jvp: counts what both arguments do twice"
    ],
    r"check_grads: AssertionError: the jvp of op, called again, wrote to an earlier result": [
        "jvp: returns a buffer that it keeps"
    ],
    r"check_grads: DTypeError: op.def_jvp: the rule returned the tangent f32\[2,3\]": ["jvp: has another dtype"],
    r"check_grads: ShapeError: op.def_jvp: the rule returned the tangent f64\[\]": ["jvp: has another shape"],
    r"check_grads: TypeError: .*'float' and 'NoneType'": ["jvp: needs a tangent of every argument"],
    # Reverse mode against differences, and against forward mode.
    rf"check_grads: AssertionError: <pullback\(g\), t> of op: {WRONG_VALUES}": [
        "kind: transposes into half",
        "kind: transposes a product of matrices",
        "kind: forgets to transpose a matrix",
        "vjp: is twice too large",
        "vjp: has the wrong sign",
        "vjp: is one percent too large",
        "vjp: forgets the cotangent",
        "vjp: is that of another function",
        "vjp: is zero",
        "vjp: swaps the arguments",
        "vjp: is summed too much where arguments broadcast",
        "vjp: derives by the wrong argument",
        "vjp: is summed over the wrong axis",
        "vjp: is taken from the broadcast, not summed",
        "vjp: drops a static parameter",
        "vjp: keeps the default of a parameter",
        "vjp: has the wrong conjugate",
        "vjp: forgets one of the results",
        "vjp: swaps the cotangents of the results",
        "vjp: is the adjoint, not the transpose",
        "vjp: takes the real part too early",
    ],
    r"check_grads: AssertionError: <pullback\(g\), t> of op, against <g, jvp\(t\)>": [
        "vjp: rounds to fewer bits on the way"
    ],
    rf"check_grads: AssertionError: the tangent of the vjp of op: {WRONG_VALUES}": [
        "vjp: holds still at first order",
        "vjp: holds the cotangent still",
    ],
    rf"check_grads: AssertionError: a cotangent of op by parts with zeros in them, summed,: {WRONG_VALUES}": [
        "vjp: takes the logarithm of a cotangent"
    ],
    rf"check_grads: AssertionError: the value of vjp\(op\)\[0\]: {WRONG_VALUES}": [
        "vjp: returns another result than the function"
    ],
    r"check_grads: ValueError: output array is read-only": [
        "vjp: writes to the cotangent",
        "vjp: writes to the result",
        "vjp: writes to the argument",
        "jvp: writes to the tangent",
    ],
    r"check_grads: AssertionError: pullback\(g\) of op, called again, wrote to an earlier result": [
        "vjp: returns a buffer that it keeps"
    ],
    r"check_grads: AssertionError: pullback\(2 \* g\) of op, against 2 \* pullback\(g\)": ["vjp: clips the cotangent"],
    rf"check_grads: AssertionError: the cotangents of op from each result alone, summed,: {WRONG_VALUES}": [
        "other: takes one cotangent for another that is absent"
    ],
    rf"check_grads: AssertionError: the cotangent of op by argument 1 alone: {WRONG_VALUES}": [
        "other: forgets what is wanted alone"
    ],
    r"check_grads: IndexError: pop from empty list": ["vjp: spends what it kept"],
    r"check_grads: DTypeError: op.def_vjp: the rule returned the cotangent f32\[2,3\]": ["vjp: has another dtype"],
    r"check_grads: DTypeError: op.def_vjp: .* argument 'z' is c128": ["vjp: is real for a complex argument"],
    r"check_grads: ShapeError: op.def_vjp: the rule returned the cotangent f64\[2,3\]; argument 'y' is f64\[3\]": [
        "vjp: is not summed over what was broadcast"
    ],
    r"check_grads: StructureError: op.def_vjp: .*; argument 'params' is the structure": ["vjp: has another structure"],
    r"check_grads: ConcretizationError: float": ["vjp: is computed outside of NumPy's protocols"],
    r"check_grads: TypeError: .*'int' and 'NoneType'": ["other: needs a cotangent of every result"],
    r"check_dtypes: DTypeError: op.def_vjp: .* cotangent f64\[2,3\]; argument 'x' is f32": [
        "vjp: has one dtype for all"
    ],
    rf"check_dtypes: AssertionError: a cotangent of op of float32: {WRONG_VALUES}": ["vjp: is wrong for float32"],
    rf"check_dtypes: AssertionError: the tangent of op of float32: {WRONG_VALUES}": ["jvp: is wrong for float32"],
    r"check_dtypes: AssertionError: a cotangent of op of float32, float64: is f64\[3\], not f32\[3\]": [
        "other: has a cotangent of the dtype of the result"
    ],
    # Other points, special points, and other layouts.
    rf"check_op: AssertionError: <pullback\(g\), t> of op: {WRONG_VALUES}": ["vjp: remembers its first slope"],
    r"check_op: AssertionError: the tangent of op at large values: ": ["vjp: overflows far out"],
    r"check_op: AssertionError: the tangent of op at zeros: ": ["vjp: divides by zero at zero"],
    r"check_op: AssertionError: the tangent of op at other signs: ": ["vjp: is right for positive numbers alone"],
    rf"check_op: AssertionError: the vjp of op with strided arrays\[0\]: {WRONG_VALUES}": [
        "vjp: reads a cotangent as if it were contiguous"
    ],
    rf"check_op: AssertionError: the vjp of op of reversed views\[0\]: {WRONG_VALUES}": [
        "vjp: reads the argument as if it were contiguous"
    ],
    rf"check_op: AssertionError: the jvp of op with strided arrays\[0\]: {WRONG_VALUES}": [
        "jvp: reads a tangent as if it were contiguous"
    ],
    r"check_op: AssertionError: the tangent of op at large values of other signs: ": [
        "vjp: overflows far out on the other side"
    ],
    r"check_op: AssertionError: <pullback\(g\), t> of op at large values: nan": [
        "vjp: overflows far out, in reverse alone"
    ],
    r"check_op: AssertionError: the tangent of the vjp of op at zeros: ": [
        "vjp: is zero where one of two arguments is"
    ],
    r"check_vmap: AssertionError: vmap\(op, \(0, None\)\): is f64\[3,3\], not f32\[3,3\]": [
        "vmap: makes an array of a number"
    ],
    rf"check_(op|grads): AssertionError: the tangent of op: {WRONG_VALUES}.*": [
        "vjp: forgets that an index may come twice, where none does"
    ],
    r"check_op: AssertionError: the tangent of op at the example: ": ["vjp: divides by zero at the example"],
    r"check_grads: DTypeError: op.def_vjp: .* argument 'z' is f64": ["vjp: is complex for a real argument"],
    rf"check_grads: AssertionError: <pullback\(g\), t> of op: {WRONG_VALUES}; .*": [
        "vjp: takes the first of what an axis of length one was broadcast to"
    ],
    rf"check_op: AssertionError: vmap\(op\) beside an example with infinities: {WRONG_VALUES}": [
        "vmap: lets an infinity out of its example"
    ],
    r"check_vmap: TypeError: reduce": ["vmap: adds up slices, of which it needs one"],
    r"check_op: AssertionError: the tangent of op at a zero: ": ["vjp: is zero where an argument is"],
    r"check_op: AssertionError: <pullback\(g\), t> of the vjp of op at zeros: nan": [
        "vjp: divides by zero where it does not look"
    ],
    # Derivatives in vmap, and of it.
    rf"check_composition: AssertionError: vmap\(grad\(op\), \(0,\)\)\[0\]: {WRONG_VALUES}": [
        "other: has a cotangent by what batches wrongly"
    ],
    rf"check_composition: AssertionError: vmap\(jvp\(op\), \(0,\)\): {WRONG_VALUES}": [
        "other: has a tangent by what batches wrongly"
    ],
    r"check_composition: ConcretizationError: ": ["vjp: asks for the value of a number"],
    r"check_composition: ValueError: cannot reshape": ["vjp: knows the shape of the example alone"],
    rf"check_composition: AssertionError: jvp\(vmap\(op, \(0,\)\)\): {WRONG_VALUES}": [
        "other: loses the tangent in a batch"
    ],
    rf"check_composition: AssertionError: grad\(vmap\(vmap\(op\)\)\).*\[0\]: {WRONG_VALUES}": [
        "other: loses the derivative in a batch of batches"
    ],
    rf"check_composition: AssertionError: jvp\(vmap\(vmap\(op\)\)\).*: {WRONG_VALUES}": [
        "other: loses the tangent in a batch of batches"
    ],
    rf"check_composition: AssertionError: grad\(vmap\(op, \(0,\)\)\)\[0\]: {WRONG_VALUES}": [
        "other: loses the derivative in a batch"
    ],
}

FOUND = {name: pattern for pattern, names in BY_PATTERN.items() for name in names}
