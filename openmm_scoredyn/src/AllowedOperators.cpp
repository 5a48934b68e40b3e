#include "AllowedOperators.h"

#include <algorithm>
#include <cctype>
#include <mutex>
#include <sstream>
#include <unordered_map>

#include "ProgramCheck.h"
#include "openmm/OpenMMException.h"

// To add an operator, see in torch's native_functions.yaml that for the same arguments it always gives the
// same result (no random numbers), that it touches nothing but its arguments (no files, output, settings of
// torch or of a device), and that its schema tells which arguments it writes to (Tensor(a!)) and which it may
// return (Tensor(a)). One that may return an argument without its schema saying so goes to maybeSame.
// Variants with `out` are refused by themselves, and what the others write to is seen by OperatorCheck.cpp.

namespace ScoreDynPlugin {

namespace {

/// Nodes of the interpreter: control flow, containers, attributes. With the prefix prim::.
const char* const nodes = R"(
    Constant GetAttr If Loop CallMethod CallFunction CreateObject RaiseException Uninitialized
    ListConstruct ListUnpack TupleConstruct TupleUnpack TupleIndex TupleSlice DictConstruct DictIndex
    unchecked_cast unchecked_unwrap_optional isinstance ConstantChunk NumToTensor ModuleContainerIndex
    dtype device layout is_cpu is_cuda requires_grad itemsize min max abs index tolist type)";

/// Numbers, text and containers. With the prefix aten::, as all that follow.
const char* const values = R"(
    __getitem__ _set_item append extend insert pop reverse clear copy list len keys values items get dict
    __contains__ index count sorted Delete setdefault update popitem remove
    __range_length __derive_index __is__ __isnot__ __not__ __and__ __or__ __xor__ __lshift__ __rshift__
    Int Float Bool Complex IntImplicit FloatImplicit ScalarImplicit item is_nonzero
    floordiv mathremainder isfinite isinf isnan gcd degrees radians format str lower upper startswith endswith
    device is_floating_point is_complex numel dim size sym_size sym_numel stride sym_stride is_contiguous
    element_size get_device result_type promote_types can_cast is_grad_enabled)";

const char* const tensors = R"(
    abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr all allclose amax amin aminmax angle
    any arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere asin
    asinh atan atan2 atanh avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d baddbmm bilinear binary_cross_entropy
    bincount bitwise_and bitwise_not bitwise_or bitwise_xor block_diag bmm bucketize cat cartesian_prod
    cdist ceil celu chain_matmul chunk clamp clamp_max clamp_min clip clone column_stack complex concat
    concatenate conj constant_pad_nd conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
    convolution copysign cos cosh cosine_similarity count_nonzero cov cross cross_entropy_loss cummax cummin
    cumprod cumsum cumulative_trapezoid deg2rad det diag diag_embed diagonal diff digamma dist div divide
    dot dstack elu embedding embedding_bag eq equal erf erfc erfinv exp exp2 expand expand_as expm1 eye
    fft_fft fft_ifft fft_irfft fft_rfft fft_fft2 fft_ifft2 fft_irfft2 fft_rfft2 fft_fftn fft_ifftn
    fft_irfftn fft_rfftn fft_fftfreq fft_rfftfreq fft_fftshift fft_ifftshift fix flatten flip fliplr flipud
    float_power floor floor_divide fmax fmin fmod frac frexp full full_like gather ge gelu geqrf ger glu
    greater greater_equal grid_sampler group_norm gru gru_cell gt hardshrink hardsigmoid hardswish hardtanh
    heaviside histc hstack huber_loss hypot i0 igamma igammac imag index index_add index_copy index_fill
    index_put index_reduce index_select inner inverse isclose isin isneginf isposinf isreal kron kthvalue
    l1_loss layer_norm ldexp le leaky_relu lerp less less_equal lgamma linalg_cholesky linalg_cond
    linalg_cross linalg_det linalg_diagonal linalg_eig linalg_eigh linalg_eigvals linalg_eigvalsh
    linalg_householder_product linalg_inv linalg_lstsq linalg_lu linalg_lu_factor linalg_lu_solve
    linalg_matmul linalg_matrix_exp linalg_matrix_norm linalg_matrix_power linalg_matrix_rank
    linalg_multi_dot linalg_norm linalg_pinv linalg_qr linalg_slogdet linalg_solve linalg_solve_triangular
    linalg_svd linalg_svdvals linalg_tensorinv linalg_tensorsolve linalg_vander linalg_vecdot
    linalg_vector_norm linear linspace log log10 log1p log2 log_sigmoid log_softmax logaddexp logaddexp2
    logcumsumexp logdet logical_and logical_not logical_or logical_xor logit logspace logsumexp lstm
    lstm_cell lt masked_fill masked_scatter masked_select matmul matrix_exp matrix_power max max_pool1d
    max_pool2d max_pool3d maximum mean median min minimum mish mm mode moveaxis movedim mse_loss msort mul
    multiply mv mvlgamma nan_to_num nanmean nanmedian nanquantile nansum narrow native_group_norm
    native_layer_norm ne neg negative new_full new_ones new_zeros norm nonzero nonzero_numpy not_equal
    nuclear_norm numpy_T mT mH one_hot ones ones_like outer pairwise_distance pdist permute pinverse
    pixel_shuffle pixel_unshuffle polar polygamma positive pow prelu prod qr quantile rad2deg range ravel
    real reciprocal relu relu6 remainder renorm repeat repeat_interleave reshape reshape_as resolve_conj
    resolve_neg rms_norm rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell roll rot90 round rsqrt rsub
    scalar_tensor scatter scatter_add scatter_reduce searchsorted segment_reduce select select_scatter selu
    sgn sigmoid sign signbit silu sin sinc sinh slice slice_scatter slogdet smooth_l1_loss softmax softplus
    softshrink sort special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1 special_digamma
    special_entr special_erf special_erfc special_erfcx special_erfinv special_exp2 special_expit
    special_expm1 special_gammainc special_gammaincc special_gammaln special_i0 special_i0e special_i1
    special_i1e special_log1p special_log_ndtr special_log_softmax special_logit special_logsumexp
    special_modified_bessel_i0 special_modified_bessel_i1 special_modified_bessel_k0
    special_modified_bessel_k1 special_multigammaln special_ndtr special_ndtri special_polygamma special_psi
    special_round special_sinc special_softmax special_spherical_bessel_j0 special_xlog1py special_xlogy
    special_zeta split split_with_sizes sqrt square squeeze stack std std_mean sub subtract sum sum_to_size
    svd swapaxes swapdims t take take_along_dim tan tanh tensor tensor_split tensordot threshold tile topk
    trace transpose trapezoid trapz triangular_solve tril tril_indices triplet_margin_loss triu triu_indices
    true_divide trunc unbind unflatten unfold unique_consecutive unique_dim _unique2 unsqueeze unsafe_chunk
    unsafe_split upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d
    upsample_nearest2d upsample_nearest3d upsample_trilinear3d vander var var_mean vdot view view_as
    view_as_complex view_as_real vstack where xlogy zeros zeros_like _softmax _log_softmax _convolution
    _shape_as_tensor lift_fresh lift_fresh_copy to contiguous detach alias expand_copy as_tensor add_ sub_
    mul_ div_ pow_ neg_ abs_ exp_ log_ sqrt_ rsqrt_ square_ reciprocal_ sin_ cos_ tanh_ sigmoid_ relu_
    relu6_ silu_ gelu_ elu_ celu_ selu_ leaky_relu_ hardtanh_ hardswish_ hardsigmoid_ mish_ threshold_
    clamp_ clamp_min_ clamp_max_ clip_ floor_ ceil_ round_ trunc_ frac_ remainder_ fmod_ sign_ nan_to_num_
    addcmul_ addcdiv_ addmm_ addbmm_ baddbmm_ addmv_ lerp_ atan2_ logical_and_ logical_or_ logical_not_
    logical_xor_ copy_ fill_ zero_ fill_diagonal_ index_add_ index_copy_ index_fill_ index_put_ scatter_
    scatter_add_ scatter_reduce_ masked_fill_ masked_scatter_ cumsum_ cumprod_ tril_ triu_ squeeze_
    unsqueeze_ transpose_ t_ swapaxes_ eq_ ne_ lt_ le_ gt_ ge_ true_divide_ floor_divide_ multiply_ divide_
    subtract_)";

const char* const maybeSame = R"(
    type_as pad einsum meshgrid broadcast_tensors atleast_1d atleast_2d atleast_3d
    scaled_dot_product_attention cosine_embedding_loss batch_norm instance_norm
    dropout dropout_ feature_dropout feature_dropout_ alpha_dropout alpha_dropout_ feature_alpha_dropout
    feature_alpha_dropout_ native_dropout rrelu rrelu_)";

/// In branches that are not taken by a program that is not being trained.
const char* const goneLater = "warn embedding_renorm_";

class Lists {
public:
    Lists() {
        add(nodes, "prim::", OperatorUse::Pure);
        add(values, "aten::", OperatorUse::Pure);
        add(tensors, "aten::", OperatorUse::Pure);
        add(maybeSame, "aten::", OperatorUse::MaybeSame);
        add(goneLater, "aten::", OperatorUse::GoneLater);
        uses_["prim::SetAttr"] = OperatorUse::GoneLater;
    }

    OperatorUse use(const std::string& name) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = uses_.find(name);
        return found == uses_.end() ? OperatorUse::Refused : found->second;
    }

    void trust(const std::string& name) {
        const std::lock_guard<std::mutex> lock(mutex_);
        uses_.emplace(name, OperatorUse::Pure);
    }

private:
    void add(const char* names, const std::string& prefix, OperatorUse use) {
        std::istringstream words(names);
        for (std::string word; words >> word;) uses_[prefix + word] = use;
    }

    std::mutex mutex_;
    std::unordered_map<std::string, OperatorUse> uses_;
};

Lists& lists() {
    static Lists all;
    return all;
}

}  // namespace

OperatorUse useOf(const std::string& name) { return lists().use(name); }

void trustOperator(const std::string& name) {
    const size_t colons = name.find("::");
    const auto odd = [](unsigned char c) { return !std::isalnum(c) && c != '_' && c != ':'; };
    const bool known = name.rfind("aten::", 0) == 0 || name.rfind("prim::", 0) == 0;
    if (colons == std::string::npos || colons == 0 || known || std::ranges::any_of(name, odd))
        throw OpenMM::OpenMMException(
            "ScoreProgram: '" + name +
            "' cannot be trusted; expected an operator of another library than torch, such as "
            "'library::operator'; give its qualified name.");
    lists().trust(name);
}

}  // namespace ScoreDynPlugin
