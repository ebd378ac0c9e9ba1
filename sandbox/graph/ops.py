"""The operations a graph may hold, as data: pure, deterministic, of a size known beforehand.

Of about 2,400 ATen overloads 1,103 write to their arguments, 63 draw random numbers, some return old memory, read out of bounds, kill the
process or create files; only a list of what is allowed can be defended. What is on no line here does not exist for a program: `verify`
finds operations by looking them up in `OPS`, and the names a program may write are derived from the same lines.

Not here on purpose: anything `as_strided`, `empty*`, `resize_`, `scatter*` (its order is not determined on a GPU), convolutions and pooling
(a loss sees no pictures), everything of float64 only. Needs no torch, so that programs can be parsed without it.
"""

from __future__ import annotations

from dataclasses import dataclass

# One line: overloads ":" the Python spellings that reach them. A bare name is both `torch.name` and the method `x.name`; `torch.name`,
# `.name` and `F.name` are only that. Operators and indexing need no name.
_LINES = """
abs.default absolute.default : abs absolute
neg.default negative.default positive.default : neg negative positive
sign.default sgn.default signbit.default : sign sgn signbit
exp.default exp2.default expm1.default : exp exp2 expm1
log.default log2.default log10.default log1p.default : log log2 log10 log1p
sqrt.default rsqrt.default square.default reciprocal.default : sqrt rsqrt square reciprocal
sin.default cos.default tan.default asin.default acos.default atan.default : sin cos tan asin acos atan arcsin arccos arctan
arcsin.default arccos.default arctan.default deg2rad.default rad2deg.default : deg2rad rad2deg
sinh.default cosh.default tanh.default asinh.default acosh.default atanh.default : sinh cosh tanh asinh acosh atanh F.tanh
sigmoid.default special_expit.default logit.default erf.default erfc.default : sigmoid logit erf erfc F.sigmoid
lgamma.default digamma.default sinc.default frac.default : lgamma digamma sinc frac
floor.default ceil.default trunc.default fix.default round.default round.decimals : floor ceil trunc fix round
nan_to_num.default : nan_to_num
relu.default relu6.default elu.default selu.default celu.default : relu F.relu F.relu6 F.elu F.selu F.celu torch.selu torch.celu
leaky_relu.default gelu.default silu.default mish.default hardtanh.default : F.leaky_relu F.gelu F.silu F.mish F.hardtanh
softplus.default log_sigmoid.default hardsigmoid.default hardswish.default : F.softplus F.logsigmoid F.hardsigmoid F.hardswish F.softsign
softshrink.default hardshrink.default threshold.default glu.default : F.softshrink F.hardshrink F.tanhshrink F.threshold F.glu
add.Tensor add.Scalar sub.Tensor sub.Scalar subtract.Tensor rsub.Scalar rsub.Tensor : add sub subtract torch.rsub
mul.Tensor mul.Scalar multiply.Tensor : mul multiply
div.Tensor div.Scalar div.Tensor_mode div.Scalar_mode divide.Tensor true_divide.Tensor : div divide true_divide
floor_divide.default floor_divide.Scalar remainder.Scalar remainder.Tensor fmod.Scalar fmod.Tensor : floor_divide remainder fmod
pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar : pow
maximum.default minimum.default fmax.default fmin.default : maximum minimum fmax fmin
clamp.default clamp.Tensor clip.default clip.Tensor : clamp clip
clamp_min.default clamp_min.Tensor clamp_max.default clamp_max.Tensor : clamp_min clamp_max
lerp.Scalar lerp.Tensor addcmul.default addcdiv.default : lerp addcmul addcdiv
xlogy.Tensor logaddexp.default logaddexp2.default hypot.default atan2.default : xlogy logaddexp logaddexp2 hypot atan2
heaviside.default copysign.Tensor copysign.Scalar : heaviside copysign
eq.Tensor eq.Scalar ne.Tensor ne.Scalar lt.Tensor lt.Scalar : eq ne lt not_equal less
le.Tensor le.Scalar gt.Tensor gt.Scalar ge.Tensor ge.Scalar : le gt ge less_equal greater greater_equal
not_equal.Tensor not_equal.Scalar less.Tensor less.Scalar less_equal.Tensor less_equal.Scalar :
greater.Tensor greater.Scalar greater_equal.Tensor greater_equal.Scalar isclose.default : isclose
logical_and.default logical_or.default logical_xor.default logical_not.default : logical_and logical_or logical_xor logical_not
__and__.Tensor __and__.Scalar __or__.Tensor __or__.Scalar __xor__.Tensor __xor__.Scalar :
bitwise_and.Tensor bitwise_or.Tensor bitwise_xor.Tensor bitwise_not.default : bitwise_and bitwise_or bitwise_xor bitwise_not
isfinite.default isnan.default isinf.default isposinf.default isneginf.default : isfinite isnan isinf isposinf isneginf
where.self where.ScalarOther where.ScalarSelf where.Scalar masked_fill.Scalar masked_fill.Tensor : where masked_fill
sum.default sum.dim_IntList nansum.default : sum nansum
mean.default mean.dim nanmean.default : mean nanmean
prod.default prod.dim_int : prod
max.default max.dim max.other min.default min.dim min.other : max min
amax.default amin.default aminmax.default : amax amin aminmax
argmax.default argmin.default : argmax argmin
any.default any.dim any.dims all.default all.dim all.dims : any all
count_nonzero.default count_nonzero.dim_IntList : count_nonzero
std.default std.dim std.correction var.default var.dim var.correction : std var
std_mean.default std_mean.dim std_mean.correction var_mean.default var_mean.dim var_mean.correction : torch.std_mean torch.var_mean
median.default median.dim quantile.default quantile.scalar : median quantile
logsumexp.default logcumsumexp.default : logsumexp logcumsumexp
cumsum.default cumprod.default cummax.default cummin.default diff.default : cumsum cumprod cummax cummin diff
softmax.int log_softmax.int : softmax log_softmax F.softmax F.log_softmax F.softmin
linalg_vector_norm.default dist.default : norm dist F.normalize
sort.default sort.stable argsort.default argsort.stable topk.default : sort argsort topk
bucketize.Tensor : torch.bucketize
gather.default take_along_dim.default index_select.default take.default index.Tensor : gather take_along_dim index_select take
one_hot.default : F.one_hot
select.int slice.Tensor narrow.default unfold.default : select narrow .unfold
select_scatter.default slice_scatter.default copy.default : select_scatter slice_scatter
cat.default concat.default concatenate.default : torch.cat torch.concat torch.concatenate
stack.default hstack.default vstack.default : torch.stack torch.hstack torch.vstack
split.Tensor split_with_sizes.default chunk.default unbind.int : split chunk unbind
squeeze.default squeeze.dim squeeze.dims unsqueeze.default : squeeze unsqueeze
reshape.default view.default view_as.default reshape_as.default : reshape .view .view_as .reshape_as
flatten.using_ints unflatten.int ravel.default : flatten unflatten ravel
permute.default transpose.int t.default numpy_T.default mT.default : permute transpose t .T .mT
movedim.int movedim.intlist moveaxis.int moveaxis.intlist : movedim moveaxis
swapaxes.default swapdims.default : swapaxes swapdims
expand.default expand_as.default broadcast_to.default broadcast_tensors.default : .expand .expand_as broadcast_to torch.broadcast_tensors
repeat.default tile.default repeat_interleave.self_int : .repeat tile repeat_interleave
meshgrid.default meshgrid.indexing : torch.meshgrid
roll.default flip.default flipud.default fliplr.default rot90.default : roll flip flipud fliplr rot90
tril.default triu.default diagonal.default diag.default diag_embed.default trace.default : tril triu diagonal diag diag_embed trace
pad.default : F.pad
matmul.default mm.default bmm.default mv.default dot.default inner.default outer.default : matmul mm bmm mv dot inner outer
einsum.default tensordot.default linear.default : torch.einsum torch.tensordot F.linear
mse_loss.default l1_loss.default smooth_l1_loss.default huber_loss.default : F.mse_loss F.l1_loss F.smooth_l1_loss F.huber_loss
cross_entropy_loss.default nll_loss_nd.default kl_div.default : F.cross_entropy F.nll_loss F.kl_div
binary_cross_entropy_with_logits.default binary_cross_entropy.default : F.binary_cross_entropy_with_logits F.binary_cross_entropy
poisson_nll_loss.default soft_margin_loss.default : F.poisson_nll_loss F.soft_margin_loss
cosine_similarity.default pairwise_distance.default : torch.cosine_similarity F.cosine_similarity F.pairwise_distance
layer_norm.default : F.layer_norm
zeros.default ones.default full.default : torch.zeros torch.ones torch.full
eye.default eye.m scalar_tensor.default : torch.eye torch.scalar_tensor
zeros_like.default ones_like.default full_like.default : torch.zeros_like torch.ones_like torch.full_like
new_zeros.default new_ones.default new_full.default : .new_zeros .new_ones .new_full
arange.default arange.start arange.start_step linspace.default : torch.arange torch.linspace
to.dtype type_as.default : .to .float .long .bool .type_as
detach.default clone.default alias.default lift_fresh_copy.default : detach clone .contiguous
"""

RECURRENCE = "lossmith.linear_recurrence"

# Read by programs but no operation: they give Python values, or are the syntax around tensors.
_TORCH_EXTRAS = "float32 float int64 long bool pi inf e tensor as_tensor no_grad is_tensor numel Tensor broadcast_shapes"
_ATTRIBUTES = "shape ndim dtype device size dim numel nelement values indices is_floating_point"


@dataclass(frozen=True)
class Op:
    """One allowed operation: `key` as it stands in graph JSON, and the Python spellings that reach it (`torch.x`, `F.x`, `.x`)."""

    key: str
    spellings: tuple[str, ...]


def _spellings(word: str) -> tuple[str, ...]:
    return (word,) if "." in word else (f"torch.{word}", f".{word}")


def _read(lines: str) -> dict[str, Op]:
    table = {}
    for line in lines.strip().splitlines():
        overloads, _, words = line.partition(":")
        spellings = tuple(spelling for word in words.split() for spelling in _spellings(word))
        table.update({f"aten.{name}": Op(f"aten.{name}", spellings) for name in overloads.split()})
    return table


_RECURRENCE_OP = Op(RECURRENCE, ())

OPS: dict[str, Op] = {**_read(_LINES), RECURRENCE: _RECURRENCE_OP, f"{RECURRENCE}.default": _RECURRENCE_OP}
"""Every operation a graph may hold, by its name in graph JSON."""


def _names(prefix: str, extras: str = "") -> frozenset[str]:
    spelled = {spelling for op in OPS.values() for spelling in op.spellings}
    return frozenset({name.removeprefix(prefix) for name in spelled if name.startswith(prefix)} | set(extras.split()))


TORCH_FUNCTIONS: frozenset[str] = _names("torch.", _TORCH_EXTRAS)
"""Legal names as `torch.name`, types and constants included."""

F_FUNCTIONS: frozenset[str] = _names("F.")
"""Legal names as `F.name`, F being `torch.nn.functional`."""

METHODS: frozenset[str] = _names(".", _ATTRIBUTES)
"""Legal names as `tensor.name`, attributes included."""
