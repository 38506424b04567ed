using System.Reflection;
using System.Reflection.Emit;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>What types use, read from their metadata and their code.</summary>
internal static class Dependencies
{
    private const BindingFlags All =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<short, OpCode> Codes = typeof(OpCodes).GetFields()
        .Select(static field => (OpCode)field.GetValue(null)!)
        .ToDictionary(static code => code.Value);

    /// <summary>The types that a type uses: in signatures, fields, bases and code.</summary>
    internal static IEnumerable<Type> Used(Type type)
    {
        Type?[] own = [type.BaseType, .. type.GetInterfaces(), .. type.GetFields(All).Select(static field => field.FieldType)];
        var methods = type.GetMembers(All).OfType<MethodBase>().SelectMany(Used);
        return own.Concat(methods).OfType<Type>().SelectMany(Parts);
    }

    /// <summary>The types in what a type shows to other assemblies: bases, and signatures of public and protected members.</summary>
    internal static IEnumerable<Type> Shown(Type type)
    {
        Type?[] own = [type.BaseType, .. type.GetInterfaces()];
        var shown = type.GetMembers(All)
            .SelectMany(static member =>
                member switch
                {
                    FieldInfo { IsPublic: true } field => [field.FieldType],
                    FieldInfo { IsFamily: true } field => [field.FieldType],
                    MethodInfo method when method.IsPublic || method.IsFamily => method
                        .GetParameters()
                        .Select(static p => p.ParameterType)
                        .Append(method.ReturnType),
                    ConstructorInfo { IsPublic: true } made => made.GetParameters().Select(static p => p.ParameterType),
                    _ => Enumerable.Empty<Type>(),
                }
            );
        return own.OfType<Type>().Concat(shown).SelectMany(Parts);
    }

    private static IEnumerable<Type?> Used(MethodBase method)
    {
        IEnumerable<Type?> signature = method.GetParameters().Select(static parameter => parameter.ParameterType);
        var code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        return signature.Append((method as MethodInfo)?.ReturnType).Concat(Tokens(code).SelectMany(token => Resolve(method, token)));
    }

    /// <summary>Tokens of the members that code names (ECMA-335, III.1.2).</summary>
    private static IEnumerable<int> Tokens(byte[] code)
    {
        for (var at = 0; at < code.Length;)
        {
            var value = code[at] == 0xfe ? (short)((0xfe << 8) | code[at + 1]) : code[at];
            var operation = Codes[value];
            at += operation.Size;
            switch (operation.OperandType)
            {
                case OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineTok:
                    yield return BitConverter.ToInt32(code, at);
                    at += 4;
                    break;
                case OperandType.InlineNone:
                    break;
                case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                    at++;
                    break;
                case OperandType.InlineVar:
                    at += 2;
                    break;
                case OperandType.InlineI8 or OperandType.InlineR:
                    at += 8;
                    break;
                case OperandType.InlineSwitch:
                    at += 4 + (4 * BitConverter.ToInt32(code, at));
                    break;
                default:
                    at += 4;
                    break;
            }
        }
    }

    private static IEnumerable<Type?> Resolve(MethodBase method, int token)
    {
        var ofType = method.DeclaringType!.IsGenericType ? method.DeclaringType.GetGenericArguments() : null;
        var member = method.Module.ResolveMember(token, ofType, method.IsGenericMethod ? method.GetGenericArguments() : null);
        var arguments = member is MethodInfo { IsGenericMethod: true } called ? called.GetGenericArguments() : [];
        return member is Type type ? [type] : arguments.Append(member?.DeclaringType);
    }

    /// <summary>A type with what it is made of: elements of arrays and pointers, arguments of generics.</summary>
    private static IEnumerable<Type> Parts(Type type) =>
        type.HasElementType ? Parts(type.GetElementType()!)
        : type.IsGenericType ? type.GetGenericArguments().SelectMany(Parts).Prepend(type)
        : [type];
}
