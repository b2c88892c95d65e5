package quern.models.part;

import quern.models.Weights;
import quern.nn.Norm;

/** A normalisation. */
public interface NormPart extends ComposedPart {
    /** The key of a recipe. */
    String KIND = "norm";

    /** A norm over the last dimension, of this width; its parameters' names start with {@code name}. */
    Norm norm(Weights weights, String name, long width);
}
