using Peft.Orleans.Data.Jinja.Nodes;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>What values are given to: targets of assignments and loops, parameters of macros.</summary>
internal sealed class TargetParser(TokenCursor tokens, TemplateNames names, ExpressionParser expressions)
{
    /// <summary>A name, several, or an attribute of a namespace.</summary>
    internal Target Read(string? endName = null, bool withNamespaces = false)
    {
        var parts = new List<Target>();
        var several = false;
        while (true)
        {
            if (parts.Count > 0) tokens.Expect(",");
            if (expressions.EndsTuple(endName)) break;
            parts.Add(One());
            if (!tokens.Current.IsSign(",")) break;
            several = true;
        }

        if (several) return new TupleTarget([.. parts]);
        return parts.Count == 1 ? parts[0] : throw tokens.Wrong($"Expected an expression, got '{tokens.Current.Described}'");

        Target One()
        {
            if (tokens.Skip("("))
            {
                var inner = tokens.Nested(() => Read(endName, withNamespaces));
                tokens.Expect(")");
                return inner;
            }

            var token = tokens.Next();
            if (token.Kind != TokenKind.Name || token.Text is "true" or "false" or "none" or "True" or "False" or "None" or "loop")
                throw TokenCursor.Wrong($"can't assign to '{token.Described}'", token.Line);
            if (!withNamespaces || !tokens.Skip(".")) return new NameTarget(names.Number(token.Text));
            return new NamespaceTarget(names.Load(token.Text), tokens.Expect(TokenKind.Name, "name").Text);
        }
    }

    /// <summary>Names in parentheses, their numbers, and what they are where nothing is given.</summary>
    internal (string Name, int Number, Expression? Absent)[] Parameters()
    {
        tokens.Expect("(");
        var parameters = new List<(string Name, int Number, Expression? Absent)>();
        while (!tokens.Current.IsSign(")"))
        {
            if (parameters.Count > 0) tokens.Expect(",");
            var name = tokens.Expect(TokenKind.Name, "name").Text;
            var absent = tokens.Skip("=") ? expressions.Read() : null;
            if (absent is null && parameters.Exists(static parameter => parameter.Absent is not null))
                throw tokens.Wrong("non-default argument follows default argument");
            names.Fields.Parameter(names.Number(name), absent);
            parameters.Add((name, names.Number(name), absent));
        }

        tokens.Expect(")");
        return [.. parameters];
    }
}
