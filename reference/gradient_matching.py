"""Golden cases of gradient matching: the distance of two gradients of a model, and its derivative by the learnt rows.

The loss of the rows is cross-entropy against softmax(target_logits), weighed by position; that of the text the mean
cross-entropy of its counted targets. Gradients are of every parameter but the token vectors, which stay fixed. The distance
is equation 4 of Zhao et al. 2021 with a vector as one output; roots are taken of sums of squares plus 1e-20.
"""

import torch
import transformers
from torch.nn.functional import cross_entropy, log_softmax
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D

import golden_case

VOCABULARY, WIDTH, ROWS, TEXT_ROWS, LENGTH = 23, 16, 3, 5, 7
LEAST_SQUARE = 1e-20


def by_output(gradient: torch.Tensor, transposed: bool) -> torch.Tensor:
    if gradient.dim() < 2:
        return gradient.reshape(1, -1)
    return gradient.t() if transposed else gradient


def distance(of_rows: list[torch.Tensor], of_text: list[torch.Tensor], transposed: list[bool]) -> tuple[torch.Tensor, int]:
    total, outputs = torch.zeros(()), 0
    for rows, text, turned in zip(of_rows, of_text, transposed, strict=True):
        a, b = by_output(rows, turned), by_output(text, turned)
        norms = (a.square().sum(1) + LEAST_SQUARE).sqrt() * (b.square().sum(1) + LEAST_SQUARE).sqrt()
        total = total + (1 - (a * b).sum(1) / norms).sum()
        outputs += a.shape[0]
    return total, outputs


def make_case(name: str, model: PreTrainedModel, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    model = model.float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.2, generator=generator)
    table = model.get_input_embeddings().weight
    if table is model.get_output_embeddings().weight:
        raise SystemExit(f"{name}: the head shares the token vectors")
    named = [(key, value) for key, value in model.named_parameters() if value is not table]
    conv = {id(module.weight) for module in model.modules() if isinstance(module, Conv1D)}
    parameters = [value for _, value in named]
    transposed = [id(value) in conv for value in parameters]

    draw = {"generator": generator}
    vectors = torch.randn(ROWS, LENGTH, WIDTH, **draw).mul(0.3).requires_grad_()
    target_logits = torch.randn(ROWS, LENGTH, VOCABULARY, **draw).requires_grad_()
    weights = torch.rand(ROWS, LENGTH, **draw)
    weights[0, 2] = 0
    input_ids = torch.randint(VOCABULARY, (TEXT_ROWS, LENGTH), **draw)
    targets = torch.randint(VOCABULARY, (TEXT_ROWS, LENGTH), **draw)
    targets[1, 4:] = -100

    text_logits = model(input_ids=input_ids).logits
    text_loss = cross_entropy(text_logits.reshape(-1, VOCABULARY), targets.reshape(-1), ignore_index=-100)
    of_text = torch.autograd.grad(text_loss, parameters)
    logits = model(inputs_embeds=vectors).logits
    rows_loss = -((log_softmax(logits, -1) * target_logits.softmax(-1)).sum(-1) * weights).sum()
    of_rows = torch.autograd.grad(rows_loss, parameters, create_graph=True)
    apart, outputs = distance(list(of_rows), list(of_text), transposed)
    by_vectors, by_targets = torch.autograd.grad(apart, [vectors, target_logits])
    for gradient in (by_vectors, by_targets):
        if gradient.abs().max() < 1e-3:
            raise SystemExit(f"{name}: a derivative is hardly anything, so the case proves nothing")

    folder = golden_case.new_case("dataset_distillation", f"gradient_matching-{name}")
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    golden_case.write_tensors(
        folder / "golden.safetensors",
        {
            "inputs_embeds": vectors,
            "target_logits": target_logits,
            "weights": weights,
            "input_ids": input_ids,
            "targets": targets,
            "distance": apart.reshape(1),
            "distance_by_inputs_embeds": by_vectors,
            "distance_by_target_logits": by_targets,
        },
    )
    golden_case.write_json(
        folder / "case.json",
        {
            "kind": "dataset_distillation",
            "name": f"gradient_matching-{name}",
            "made_with": {"torch": torch.__version__, "transformers": transformers.__version__},
            "outputs": outputs,
            "tolerance": {"distance": 1e-5, "derivatives": 1e-3},
        },
    )
    golden_case.finish(folder)


def main() -> None:
    transformers.logging.set_verbosity_error()
    gpt2 = GPT2Config(
        vocab_size=VOCABULARY, n_positions=LENGTH + 2, n_embd=WIDTH, n_layer=2, n_head=2, tie_word_embeddings=False
    )
    llama = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=16,
        tie_word_embeddings=False,
    )
    for config in (gpt2, llama):
        config._attn_implementation = "eager"
    make_case("gpt2", GPT2LMHeadModel._from_config(gpt2, attn_implementation="eager"), 1)
    make_case("llama", LlamaForCausalLM._from_config(llama, attn_implementation="eager"), 2)


if __name__ == "__main__":
    main()
