package quern.nn;

import java.util.List;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * A slot for a weight matrix, named as the module is in Hugging Face's model ({@code model.layers.0.self_attn.q_proj}).
 * What fills it, its {@link Form}, may be dense, low-rank, quantised, masked or split; adapters and compression change
 * the form, never the model around it.
 */
public final class Linear {
    /** How a slot computes. Forward is recorded by autograd; the two backward halves serve hand-written blocks. */
    public interface Form {
        /** The width of what goes in. */
        long inFeatures();

        /** The width of what comes out. */
        long outFeatures();

        /** x [..., in] to [..., out]. */
        Tensor forward(Tensor x, Pass pass);

        /** The cotangent of x [N, in] given that of the result [N, out]. */
        Tensor backwardInput(Tensor x, Tensor cotangent);

        /** Adds to the parameters' gradients, from x [N, in] and the cotangent of the result [N, out]. */
        void backwardWeight(Tensor x, Tensor cotangent);

        /** Its parameters. */
        List<Parameter> parameters();
    }

    private final String name;
    private Form form;

    /** A slot filled with {@code form}. */
    public Linear(String name, Form form) {
        this.name = name;
        this.form = form;
    }

    /** The slot's name. */
    public String name() {
        return name;
    }

    /** What fills it now. */
    public Form form() {
        return form;
    }

    /** Fills it with another form of the same widths. */
    public void replace(Form other) {
        if (other.inFeatures() != form.inFeatures() || other.outFeatures() != form.outFeatures()) {
            throw new IllegalArgumentException("slot '%s' maps %d to %d, the new form %d to %d"
                    .formatted(name, form.inFeatures(), form.outFeatures(), other.inFeatures(), other.outFeatures()));
        }
        form = other;
    }

    /** x [..., in] to [..., out]. */
    public Tensor forward(Tensor x, Pass pass) {
        return form.forward(x, pass);
    }

    /** The parameters of the form. */
    public List<Parameter> parameters() {
        return form.parameters();
    }
}
