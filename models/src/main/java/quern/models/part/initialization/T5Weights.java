package quern.models.part.initialization;

import quern.models.Initialization;
import quern.models.part.Composition;
import quern.models.part.InitializationPart;
import quern.models.part.PartTechnique;

/** T5's, the factors of Mesh TensorFlow (Raffel et al. 2020, arXiv:1910.10683): every map by the root of what goes into it, and
 * queries smaller by the root of a head's width, since scores are not scaled. Token vectors have the standard deviation 1; a head
 * that shares them has its logits multiplied by {@code 1/sqrt(hidden_size)}, one of its own is drawn by what goes in. */
public final class T5Weights implements PartTechnique {
    @Override
    public String kind() {
        return InitializationPart.KIND;
    }

    @Override
    public String id() {
        return "t5";
    }

    @Override
    public String summary() {
        return "The factors of Mesh TensorFlow: by fan-in, queries small in place of scaled scores (T5)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements InitializationPart {
        @Override
        public void check(Composition c) {
            InitializationPart.refuseInitializerRange("t5", c);
            if (c.qkNorm()) {
                throw new IllegalArgumentException(
                        "qk_norm: initialization: t5 draws queries small in place of scaling scores, which a norm on them undoes; leave one out");
            }
        }

        @Override
        public Initialization matrix(Role role, long in, long out, Composition c) {
            return Initialization.normal(
                    switch (role) {
                        case TOKENS, POSITIONS -> 1;
                        case QUERY ->
                            1 / Math.sqrt((double) in * c.parts().attention().scoredWidth(c));
                        case DISTANCES -> 1 / Math.sqrt(c.hiddenSize());
                        case KEY, VALUE, INNER, RESIDUAL, HEAD, OTHER -> 1 / Math.sqrt(in);
                    });
        }

        @Override
        public double attentionScale(int headWidth, Composition c) {
            return 1;
        }

        @Override
        public double logitFactor(Composition c) {
            return c.tieWordEmbeddings() ? 1 / Math.sqrt(c.hiddenSize()) : 1;
        }
    }
}
