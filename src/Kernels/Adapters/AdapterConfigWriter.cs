using System.Text;
using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>Writes <c>adapter_config.json</c>: PEFT's keys where PEFT has the method, else the method as in the run file.</summary>
public static class AdapterConfigWriter
{
    /// <summary>The text of the file.</summary>
    /// <param name="method">The method and its options.</param>
    /// <param name="model">The base model, for <c>base_model_name_or_path</c> and <c>target_modules</c>.</param>
    /// <exception cref="PeftException">The method has no adapter (full fine-tuning) or is not supported.</exception>
    public static string Write(MethodSpec method, ModelFolder model)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            AdapterMethods.Of(method).WriteConfig(json, new AdapterOrigin(method, model));
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
    }

    /// <summary>The keys of a method that PEFT does not have, or not so: its own type, and its options as the run file has them.</summary>
    internal static void WriteOwn(Utf8JsonWriter json, AdapterOrigin origin, MethodTraits traits)
    {
        json.WriteString("peft_type", traits.PeftType);
        json.WriteString("base_model_name_or_path", origin.Model.Path);
        WriteTargets(json, origin);
        json.WritePropertyName("method");
        // Modules by name: what all-linear stands for is the model's to say, and a reader may not have it.
        var method = origin.Method with { TargetModules = TargetModules.Resolve(origin.Method, origin.Model.Dimensions) };
        RunFile.WriteMethod(new RunSpec { Method = method }).WriteTo(json);
    }

    /// <summary>The adapted modules.</summary>
    internal static void WriteTargets(Utf8JsonWriter json, AdapterOrigin origin)
    {
        json.WriteStartArray("target_modules");
        foreach (var module in TargetModules.Resolve(origin.Method, origin.Model.Dimensions)) json.WriteStringValue(module);
        json.WriteEndArray();
    }

    /// <summary>A number as PEFT writes it, without a fraction where it is whole: some readers expect an integer α.</summary>
    internal static void WriteNumber(Utf8JsonWriter json, string name, double value)
    {
        if (value == Math.Truncate(value) && Math.Abs(value) < 1e15) json.WriteNumber(name, (long)value);
        else json.WriteNumber(name, value);
    }
}
