using System.Text.Json;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>The forms of BOFT's adapter files.</summary>
internal enum BoftForm
{
    /// <summary>Input side from Cayley transforms: PEFT's.</summary>
    Peft,

    /// <summary>
    /// Output side, or projected blocks, which PEFT does not have: the configuration carries our <c>method</c> and no size of blocks, so
    /// that PEFT refuses it, and the tensors have names of their own.
    /// </summary>
    Own,
}

/// <summary>BOFT (Eq. 3-6).</summary>
internal sealed class BoftMethod : AdapterMethod
{
    internal override MethodName Name => MethodName.Boft;

    internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) =>
        context.Method.Boft.Side == BoftSide.Input ? new BoftInputLinear(site, context) : new BoftOutputLinear(site, context);

    internal override void WriteConfig(Utf8JsonWriter json, AdapterOrigin origin)
    {
        var boft = origin.Method.Boft;
        if (FormOf(boft) == BoftForm.Own)
        {
            // PEFT refuses a configuration with neither; a size would let it load the identity.
            json.WriteNumber("boft_block_num", 0);
            json.WriteNumber("boft_block_size", 0);
            AdapterConfigWriter.WriteOwn(json, origin, Traits);
            return;
        }

        json.WriteString("base_model_name_or_path", origin.Model.Path);
        json.WriteString("bias", "none");
        json.WriteNumber("boft_block_num", 0);
        json.WriteNumber("boft_block_size", boft.BlockSize);
        json.WriteNumber("boft_dropout", 0.0);
        json.WriteNumber("boft_n_butterfly_factor", boft.ButterflyFactors);
        json.WriteBoolean("fan_in_fan_out", false);
        json.WriteBoolean("inference_mode", true);
        json.WriteBoolean("init_weights", true);
        json.WriteNull("modules_to_save");
        json.WriteString("peft_type", Traits.PeftType);
        AdapterConfigWriter.WriteTargets(json, origin);
        json.WriteString("task_type", "CAUSAL_LM");
    }

    internal static BoftForm FormOf(BoftSpec options) =>
        options is { Side: BoftSide.Input, Parameterization: BoftParameterization.Cayley } ? BoftForm.Peft : BoftForm.Own;
}
